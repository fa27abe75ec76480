// Signing in with a wallet of this browser (EIP-1193), which says that it is there (EIP-6963) or is window.ethereum.

const REFUSED = 4001; // EIP-1193: by the person

export function offer(form) {
  const message = form.querySelector("[data-message]");
  const place = form.querySelector("[data-wallets]");
  const said = form.querySelector("[data-said]");
  const { owner } = message.dataset;
  const chain = Number(message.textContent.match(/^Chain ID: (\d+)$/m)?.[1]); // EIP-4361
  const known = new Set();

  function add(id, name, wallet) {
    if (known.has(id)) return;
    known.add(id);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `Sign with ${name}`;
    button.addEventListener("click", () => sign(wallet));
    place.append(button);
    said.textContent = "";
  }

  async function sign(wallet) {
    said.textContent = "Your wallet asks you now.";
    try {
      said.textContent = (await unfit(wallet)) ?? (await signed(wallet));
    } catch (error) {
      const why = error.code === REFUSED ? "You refused in your wallet." : `Your wallet did not sign: ${error.message}.`;
      said.textContent = `${why} Nothing was signed, and you can try again.`;
    }
  }

  async function unfit(wallet) {
    const accounts = await wallet.request({ method: "eth_requestAccounts" });
    if (!accounts.some((account) => account.toLowerCase() === owner.toLowerCase())) {
      return `Your wallet shows ${accounts.join(", ") || "no account"}, and the agent is owned by ${owner}. Choose that account in your wallet.`;
    }
    const its = Number(await wallet.request({ method: "eth_chainId" }));
    return its === chain ? null : `Your wallet is on chain ${its}, and the agent on chain ${chain}. Choose that network in your wallet.`;
  }

  async function signed(wallet) {
    const bytes = new TextEncoder().encode(message.textContent);
    const hex = "0x" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    form.elements.signature.value = await wallet.request({ method: "personal_sign", params: [hex, owner] });
    form.requestSubmit();
    return "Signed.";
  }

  addEventListener("eip6963:announceProvider", ({ detail: { info, provider } }) => add(info.uuid, info.name, provider));
  dispatchEvent(new Event("eip6963:requestProvider"));
  if (!known.size && window.ethereum) add("", "the wallet of this browser", window.ethereum);
}

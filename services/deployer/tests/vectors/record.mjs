// Records how Akash's own JavaScript writes what we sign, for SDLs that it sorts as Akash's Go does. In an empty folder:
//   npm install @akashnetwork/chain-sdk@1.0.0-alpha.25 && node …/record.mjs > …/chain-sdk.json
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(join(process.cwd(), "here.js")));
const { generateManifest, yaml } = require("@akashnetwork/chain-sdk");
const types = (name) => require(`@akashnetwork/chain-sdk/private-types/${name}`);
const [deployment, market, first] = [types("akash.v1beta4"), types("akash.v1beta5"), types("akash.v1")];
const { DirectSecp256k1Wallet, makeAuthInfoBytes, makeSignDoc, encodePubkey } = require("@cosmjs/proto-signing");
const { TxBody, TxRaw } = require("cosmjs-types/cosmos/tx/v1beta1/tx");

const owner = "akash19rl4cm2hmr8afy4kldpxz3fka4jguq0a3mq6x0";
const provider = "akash1l3e9pgs3mmwuwrh95fecme0s0qtn2880y3lusr";
const dseq = "281474976710655";
const hash = new Uint8Array(32).fill(7);
const deposit = { amount: { denom: "uact", amount: "500000" }, sources: [1] };
const bid = { owner, dseq, gseq: 1, oseq: 2, provider, bseq: 0 };
const text = (value) => new TextEncoder().encode(value);

const sdls = [
  `version: "2.0"
services:
  web:
    image: debian:trixie-slim
    expose: [{port: 8080, as: 80, to: [{global: true}]}, {port: 9000, proto: udp, to: [{global: true}]}]
profiles:
  compute:
    web: {resources: {cpu: {units: 100m}, memory: {size: 64Mi}, storage: {size: 512Mi}}}
  placement:
    dcloud: {pricing: {web: {denom: uact, amount: 7.5}}}
deployment:
  web: {dcloud: {profile: web, count: 3}}
`,
  `version: "2.0"
services:
  api:
    image: debian:trixie-slim
    expose: [{port: 80, as: 80, to: [{global: true}]}]
  db:
    image: debian:trixie-slim
    params: {storage: {data: {mount: /data}}}
    expose: [{port: 5432, to: [{service: api}]}]
profiles:
  compute:
    api: {resources: {cpu: {units: 2}, memory: {size: 1Gi}, storage: {size: 1Gi}, gpu: {units: 1, attributes: {vendor: {nvidia: [{model: a100}]}}}}}
    db: {resources: {cpu: {units: 0.5}, memory: {size: 512Mi}, storage: [{name: data, size: 5Gi, attributes: {persistent: true, class: beta2}}]}}
  placement:
    eu:
      attributes: {region: eu-west, host: akash}
      signedBy: {anyOf: [${provider}], allOf: [${owner}]}
      pricing: {api: {denom: uact, amount: 1000}, db: {denom: uact, amount: 0.000001}}
deployment:
  api: {eu: {profile: api, count: 1}}
  db: {eu: {profile: db, count: 1}}
`,
];

function groups(sdl) {
  const made = generateManifest(yaml([sdl]));
  if (!made.ok) throw new Error(JSON.stringify(made.value));
  return made.value.groupSpecs;
}

const cases = {
  "create 0": [deployment.MsgCreateDeployment, { id: { owner, dseq }, groups: groups(sdls[0]), hash, deposit }],
  "create 1": [deployment.MsgCreateDeployment, { id: { owner, dseq }, groups: groups(sdls[1]), hash, deposit }],
  update: [deployment.MsgUpdateDeployment, { id: { owner, dseq }, hash }],
  close: [deployment.MsgCloseDeployment, { id: { owner, dseq } }],
  "start group": [deployment.MsgStartGroup, { id: { owner, dseq, gseq: 1 } }],
  deposit: [first.MsgAccountDeposit, { signer: owner, id: { scope: 1, xid: `${owner}/${dseq}` }, deposit }],
  "create lease": [market.MsgCreateLease, { bidId: bid }],
  "withdraw lease": [market.MsgWithdrawLease, { id: bid }],
  "close bid": [market.MsgCloseBid, { id: bid, reason: 10000 }],
  "create provider": [
    deployment.MsgCreateProvider,
    { owner: provider, hostUri: "https://p.test:8443", attributes: [{ key: "region", value: "eu" }], info: {} },
  ],
  "create certificate": [first.MsgCreateCertificate, { owner, cert: text("CERT"), pubkey: text("KEY") }],
};
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const messages = Object.fromEntries(
  Object.entries(cases).map(([name, [type, fields]]) => {
    const value = type.encode(type.fromPartial(fields)).finish();
    return [name, { type_url: `/${type.$type}`, hex: hex(value) }];
  }),
);

const wallet = await DirectSecp256k1Wallet.fromKey(Buffer.from("11".repeat(32), "hex"), "akash");
const [account] = await wallet.getAccounts();
const { type_url: typeUrl, hex: value } = messages.update;
const bodyBytes = TxBody.encode(
  TxBody.fromPartial({ messages: [{ typeUrl, value: Buffer.from(value, "hex") }], timeoutHeight: 120n }),
).finish();
const key = encodePubkey({ type: "tendermint/PubKeySecp256k1", value: Buffer.from(account.pubkey).toString("base64") });
const authInfo = makeAuthInfoBytes([{ pubkey: key, sequence: 9 }], [{ denom: "uakt", amount: "5000" }], 200000);
const signed = await wallet.signDirect(account.address, makeSignDoc(bodyBytes, authInfo, "akashnet-2", 42));
const transaction = TxRaw.encode({
  bodyBytes,
  authInfoBytes: authInfo,
  signatures: [Buffer.from(signed.signature.signature, "base64")],
}).finish();

const source = "npm @akashnetwork/chain-sdk 1.0.0-alpha.25 and the @cosmjs/proto-signing that it brings";
console.log(JSON.stringify({ source, owner, provider, sdls, messages, address: account.address, transaction: hex(transaction) }, null, 1));

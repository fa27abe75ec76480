// Scalar over the documents of all services. Whatever of it would ask somebody else, or a service of its maker, is off.
const portal = document.querySelector("[data-portal]");
const own = {
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  hideTestRequestButton: true, // the policy of this console lets no page call another server
  showDeveloperTools: "never",
  telemetry: false,
  proxyUrl: "",
  withDefaultFonts: false,
};
Scalar.createApiReference(portal, { ...own, sources: JSON.parse(portal.dataset.portal) });

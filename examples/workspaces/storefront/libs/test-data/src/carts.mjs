export const ONE_OF_EACH = [
  { sku: 'COF-001', quantity: 1 },
  { sku: 'TEA-001', quantity: 1 },
];

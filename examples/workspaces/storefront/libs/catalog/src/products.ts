import { cents } from '@storefront/money';
import type { Product } from './product';

const PRODUCTS: readonly Product[] = [
  { sku: 'COF-001', name: 'Yirgacheffe, 250 g', price: cents(1290), category: 'coffee' },
  { sku: 'COF-002', name: 'Huila decaf, 250 g', price: cents(1190), category: 'coffee' },
  { sku: 'TEA-001', name: 'Darjeeling first flush, 100 g', price: cents(990), category: 'tea' },
  { sku: 'HRD-001', name: 'Hand grinder', price: cents(8495), category: 'hardware' },
];

export function allProducts(): readonly Product[] {
  return PRODUCTS;
}

export function findProduct(sku: string): Product | undefined {
  return PRODUCTS.find((product) => product.sku === sku);
}

import type { Cents } from '@storefront/money';

export interface Product {
  readonly sku: string;
  readonly name: string;
  readonly price: Cents;
  readonly category: 'coffee' | 'tea' | 'hardware';
}

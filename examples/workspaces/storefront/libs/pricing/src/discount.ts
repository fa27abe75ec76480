import type { Product } from '@storefront/catalog';
import { cents, type Cents } from '@storefront/money';

/** Percent off by category, while the summer lasts. */
const PERCENT_OFF: Readonly<Partial<Record<Product['category'], number>>> = { coffee: 15 };

export function discounted(product: Product): Cents {
  const percent = PERCENT_OFF[product.category] ?? 0;
  return cents(Math.floor((product.price * (100 - percent)) / 100));
}

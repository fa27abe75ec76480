import { findProduct } from '@storefront/catalog';
import { sum, type Cents } from '@storefront/money';
import { discounted } from '@storefront/pricing';

export interface Line {
  readonly sku: string;
  readonly quantity: number;
}

export interface PricedLine extends Line {
  readonly name: string;
  readonly total: Cents;
}

/** Lines with their prices; what the catalog does not know is left out. */
export function priced(lines: readonly Line[]): PricedLine[] {
  return lines.flatMap((line) => {
    const product = findProduct(line.sku);
    return product ? [{ ...line, name: product.name, total: discounted(product) * line.quantity }] : [];
  });
}

export function total(lines: readonly Line[]): Cents {
  return sum(priced(lines).map((line) => line.total));
}

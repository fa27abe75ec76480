import { priced, total, type Line, type PricedLine } from '@storefront/cart';
import { format, type Cents } from '@storefront/money';

export interface Order {
  readonly id: string;
  readonly lines: readonly PricedLine[];
  readonly total: Cents;
}

export class EmptyCart extends Error {
  constructor() {
    super('nothing in the cart can be ordered');
  }
}

export function order(id: string, lines: readonly Line[]): Order {
  const known = priced(lines);
  if (known.length === 0) {
    throw new EmptyCart();
  }
  return { id, lines: known, total: total(lines) };
}

export function receipt(placed: Order): string {
  const rows = placed.lines.map((line) => `${line.quantity} × ${line.name}  ${format(line.total)}`);
  return [`Order ${placed.id}`, ...rows, `Total  ${format(placed.total)}`].join('\n');
}

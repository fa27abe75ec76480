import { format, type Cents } from '@storefront/money';
import { escape } from './html';

/** The price, and the one before the discount struck through. */
export function priceTag(price: Cents, before: Cents): string {
  const now = `<strong>${escape(format(price))}</strong>`;
  return price < before ? `<s>${escape(format(before))}</s> ${now}` : now;
}

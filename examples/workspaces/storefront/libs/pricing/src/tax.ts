import { cents, type Cents } from '@storefront/money';

const VAT_PERCENT = 7;

/** The tax that is contained in a gross amount. */
export function includedTax(gross: Cents): Cents {
  return cents(Math.round((gross * VAT_PERCENT) / (100 + VAT_PERCENT)));
}

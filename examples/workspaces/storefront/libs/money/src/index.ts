/** An amount in cents. Integers only: a shop that adds floats loses pennies. */
export type Cents = number;

export function cents(amount: number): Cents {
  if (!Number.isSafeInteger(amount)) {
    throw new RangeError(`not a whole number of cents: ${amount}`);
  }
  return amount;
}

export function sum(amounts: readonly Cents[]): Cents {
  return amounts.reduce((total, amount) => total + amount, 0);
}

/** `1999` -> `19.99 €` */
export function format(amount: Cents): string {
  const sign = amount < 0 ? '-' : '';
  const digits = String(Math.abs(amount)).padStart(3, '0');
  return `${sign}${digits.slice(0, -2)}.${digits.slice(-2)} €`;
}

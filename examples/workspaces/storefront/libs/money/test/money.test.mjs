import assert from 'node:assert/strict';
import { test } from 'node:test';
import money from '../../../dist/libs/money/index.js';

test('cents are whole', () => {
  assert.throws(() => money.cents(0.5), RangeError);
});

test('an amount is shown in euros', () => {
  assert.equal(money.format(1999), '19.99 €');
  assert.equal(money.format(-5), '-0.05 €');
});

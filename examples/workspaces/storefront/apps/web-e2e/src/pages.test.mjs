import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { ONE_OF_EACH } from '../../../libs/test-data/src/carts.mjs';

test('every product of the sample cart is on the first page', async () => {
  const html = await readFile('dist/apps/web/public/index.html', 'utf8');
  for (const { sku } of ONE_OF_EACH) {
    assert.match(html, new RegExp(`id="${sku}"`));
  }
});

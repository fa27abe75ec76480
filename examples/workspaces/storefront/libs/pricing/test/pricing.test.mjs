import assert from 'node:assert/strict';
import { cp, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

test('a coffee is 15 % off, a grinder is not', async () => {
  const pricing = await load();
  const product = { sku: 'X', name: 'X', price: 1000 };
  assert.equal(pricing.discounted({ ...product, category: 'coffee' }), 850);
  assert.equal(pricing.discounted({ ...product, category: 'hardware' }), 1000);
});

async function load() {
  const home = await mkdtemp(join(tmpdir(), 'pricing-'));
  for (const lib of ['pricing', 'money']) {
    await cp(`dist/libs/${lib}`, join(home, 'node_modules/@storefront', lib), { recursive: true });
  }
  const entry = join(home, 'node_modules/@storefront/pricing/index.js');
  return (await import(pathToFileURL(entry).href)).default;
}

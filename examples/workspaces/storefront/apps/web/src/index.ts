import { total } from '@storefront/cart';
import { allProducts } from '@storefront/catalog';
import { format } from '@storefront/money';
import { discounted } from '@storefront/pricing';
import { escape, page, priceTag } from '@storefront/ui';

export interface Page {
  readonly path: string;
  readonly html: string;
}

export function pages(): Page[] {
  return [
    { path: 'index.html', html: page('Storefront', products()) },
    { path: 'cart.html', html: page('Your cart', cart()) },
  ];
}

function products(): string {
  const items = allProducts().map(
    (product) => `<li id="${escape(product.sku)}">${escape(product.name)} ${priceTag(discounted(product), product.price)}</li>`,
  );
  return `<ul>\n${items.join('\n')}\n</ul>`;
}

function cart(): string {
  return `<p>One of everything: ${format(total(allProducts().map(({ sku }) => ({ sku, quantity: 1 }))))}</p>`;
}

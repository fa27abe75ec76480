import type { Line } from '@storefront/cart';
import { allProducts } from '@storefront/catalog';
import { EmptyCart, order, receipt } from '@storefront/checkout';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Answers one request; knows nothing of sockets, so that it can be tested without any. */
export function handle(method: string, path: string, body: unknown): Answer {
  if (method === 'GET' && path === '/products') {
    return { status: 200, body: allProducts() };
  }
  if (method === 'POST' && path === '/orders') {
    return place(body as { id: string; lines: Line[] });
  }
  return { status: 404, body: { title: 'Not found' } };
}

function place({ id, lines }: { id: string; lines: Line[] }): Answer {
  try {
    const placed = order(id, lines);
    return { status: 201, body: { ...placed, receipt: receipt(placed) } };
  } catch (error) {
    if (error instanceof EmptyCart) {
      return { status: 409, body: { title: error.message } };
    }
    throw error;
  }
}

export { escape, page } from './html';
export { priceTag } from './price-tag';

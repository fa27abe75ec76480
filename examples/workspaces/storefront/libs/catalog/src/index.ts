export type { Product } from './product';
export { allProducts, findProduct } from './products';

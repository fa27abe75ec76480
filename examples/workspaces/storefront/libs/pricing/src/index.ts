export { discounted } from './discount';
export { includedTax } from './tax';

export { priced, total, type Line, type PricedLine } from './cart';

export { EmptyCart, order, receipt, type Order } from './order';

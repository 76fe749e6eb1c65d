import { print } from 'observe';
import type { Nothing } from './nowhere.ts';
interface Shape {
  area(): number;
}
type Pair<T> = [T, T];
class Square implements Shape {
  private readonly side: number;
  constructor(side: number) {
    this.side = side;
  }
  area(): number {
    return this.side ** 2;
  }
  declare unset?: string;
}
function first<T extends string | number>(pair: Pair<T>, ...rest: unknown[]): T {
  return pair[0]!;
}
const value = { a: 1 } satisfies Record<string, number>;
let later: Nothing | undefined;
print(new Square(3).area(), first<number>([1, 2]), value as unknown, later, 'unset' in new Square(1), (<T>(x: T) => x)(4));

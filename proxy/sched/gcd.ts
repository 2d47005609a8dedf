/** Greatest common divisor of two whole numbers from 0 on; gcd(n, 0) is n. For `wrr` and `mh`, which divide weights by it. */
export function gcd(a: number, b: number): number {
  while (b !== 0) {
    const rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/** To two decimals, halves to the even one, as Python rounds. */
export function rounded(value) {
  const eighths = value * 8; // an odd number of them lies exactly between two decimals
  if (!Number.isInteger(eighths) || eighths % 2 === 0) return Number(value.toFixed(2));
  const below = Math.floor(value * 100);
  return (below % 2 === 0 ? below : below + 1) / 100;
}

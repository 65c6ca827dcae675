// The Finance team's workflow, step by step that of workflows.py: each can go on with what the other has begun.

import { proxyActivities } from "@temporalio/workflow";
import { rounded } from "./rounding.mjs";

const FEE = 0.005; // what callers pay on top of the exchange's price, as a share of it

const { read_quote } = proxyActivities({
  startToCloseTimeout: "30s",
  scheduleToCloseTimeout: "1m",
  heartbeatTimeout: "2s",
  retry: { initialInterval: "100ms", maximumInterval: "1s" },
});

/** Reads a stock's quote and adds Finance's fee. */
export async function PriceStock(query) {
  const price = await read_quote(query.ticker);
  return { ticker: query.ticker.toUpperCase(), price: rounded(price * (1 + FEE)) };
}

// The Finance team's Worker, in JavaScript:
// `await ws.spawn("workshop_lib.teams.finance.worker.mjs", client, task_queue="finance")`.
//
// It serves the contract that the Worker of worker.py serves. A caller cannot tell which of them has answered.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ApplicationFailure } from "@temporalio/activity";
import { startWorkflow, WorkflowRunOperationHandler } from "@temporalio/nexus";
import { DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import * as nexus from "nexus-rpc";
import { Finance } from "./contract.mjs";
import { rounded } from "./rounding.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const quotes = JSON.parse(readFileSync(here("./quotes.json")));

const handler = nexus.serviceHandler(Finance, {
  // Starts a workflow: reading a quote can fail and be tried again, and takes as long as it takes.
  stock_price: new WorkflowRunOperationHandler((ctx, query) =>
    // The same id for each attempt of one call, so a second attempt finds the first one's workflow.
    startWorkflow(ctx, "PriceStock", { args: [query], workflowId: `stock-price-${ctx.requestId}` }),
  ),

  // Answers at once: it is arithmetic, with nothing that a workflow would have to protect.
  async calculate_roi(_ctx, query) {
    const gain = query.returned - query.invested;
    return { percent: rounded((100 * gain) / query.invested), gain: rounded(gain) };
  },
});

const activities = {
  /** What a stock costs at the exchange, in dollars. */
  async read_quote(ticker) {
    const symbol = ticker.toUpperCase();
    if (!Object.hasOwn(quotes, symbol)) {
      throw ApplicationFailure.nonRetryable(`No stock ${symbol} is traded.`, "UnknownTicker");
    }
    return quotes[symbol];
  },
};

// Temporal tries again what fails, until the operation's time is up. Wrong code is the same at the next try: it is told
// at once.
const BUGS = [TypeError, RangeError, ReferenceError];

const keepsReasons = () => ({
  inbound: {
    async startOperation(input, next) {
      try {
        return await next(input);
      } catch (error) {
        if (!BUGS.some((kind) => error instanceof kind)) throw error;
        const what = `The handler of ${input.ctx.operation} has a bug. ${error.name}: ${error.message}`;
        throw new nexus.HandlerError("INTERNAL", what, { retryableOverride: false });
      }
    },
  },
});

async function main({ TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TASK_QUEUE }) {
  // To the standard error: the notebook keeps it in a file. The standard output would appear under a cell.
  const logging = { filter: { core: "ERROR", other: "ERROR" }, forward: {} };
  Runtime.install({ logger: new DefaultLogger("ERROR"), telemetryOptions: { logging } });
  const apiKey = TEMPORAL_API_KEY || undefined; // with one, the connection is encrypted
  const connection = await NativeConnection.connect({ address: TEMPORAL_ADDRESS, apiKey });
  const worker = await Worker.create({
    connection,
    namespace: TEMPORAL_NAMESPACE,
    taskQueue: TASK_QUEUE,
    nexusServices: [handler],
    workflowsPath: here("./workflows.mjs"),
    activities,
    interceptors: { nexus: [keepsReasons] },
    workflowFailureErrorTypes: { "*": BUGS.map((kind) => kind.name) },
    stickyQueueScheduleToStartTimeout: "200ms", // how long a task waits for a dead Worker
  });
  const running = worker.run(); // until SIGTERM
  const polls = ["workflow", "activity", "nexus"].map((kind) => [TEMPORAL_NAMESPACE, TASK_QUEUE, kind]);
  console.log(`\x1eready ${JSON.stringify([polls, []])}`);
  await running;
  await connection.close();
}

main(process.env).then(
  () => process.exit(0),
  (error) => {
    console.error(error.stack);
    console.error(`${error.name}: ${error.message}`); // the last line is what the notebook shows
    process.exit(1);
  },
);

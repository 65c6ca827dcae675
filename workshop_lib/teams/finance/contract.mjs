// What the Finance team offers to others: the contract of contract.py, for a handler in JavaScript.

import { ApplicationFailure } from "@temporalio/activity";
import * as nexus from "nexus-rpc";

export const Finance = nexus.service("Finance", {
  stock_price: nexus.operation({ inputType: input("StockQuery", { ticker: text(/^[A-Za-z]{1,5}$/) }) }),
  calculate_roi: nexus.operation({
    inputType: input("RoiQuery", {
      invested: number((value) => value > 0, "greater than 0"),
      returned: number((value) => value >= 0, "greater than or equal to 0"),
    }),
  }),
});

// JSON knows nothing of a contract. What a caller sent is compared with it before a handler sees it, and refused in the
// words of pydantic, which does the same for the handler in Python: callers learn the same from both.

function input(name, fields) {
  function fromTransferType(given) {
    if (typeof given !== "object" || given === null || Array.isArray(given)) {
      throw refusal(name, [["Input should be an object"]]);
    }
    const taken = {};
    const faults = [];
    for (const [field, take] of Object.entries(fields)) {
      const { value, fault } = Object.hasOwn(given, field) ? take(given[field]) : { fault: "Field required" };
      taken[field] = value;
      if (fault) faults.push([fault, field]);
    }
    for (const field of Object.keys(given)) {
      if (!Object.hasOwn(fields, field)) faults.push(["Unexpected keyword argument", field]);
    }
    if (faults.length > 0) throw refusal(name, faults);
    return taken;
  }
  return { transferTypeConverter: { fromTransferType, toTransferType: (value) => value } };
}

function refusal(name, faults) {
  const head = `${faults.length} validation error${faults.length === 1 ? "" : "s"} for ${name}`;
  const lines = faults.map(([fault, field]) => (field === undefined ? `  ${fault}` : `${field}\n  ${fault}`));
  const cause = ApplicationFailure.create({ message: [head, ...lines].join("\n"), type: "ValidationError" });
  const what = "Payload converter failed to decode Nexus operation input";
  return new nexus.HandlerError("BAD_REQUEST", what, { cause, retryableOverride: false });
}

function text(pattern) {
  return (value) => {
    if (typeof value !== "string") return { fault: "Input should be a valid string" };
    return pattern.test(value) ? { value } : { fault: `String should match pattern '${pattern.source}'` };
  };
}

const NUMBER = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i;

function number(fits, described) {
  return (given) => {
    if (typeof given === "string" && !NUMBER.test(given)) {
      return { fault: "Input should be a valid number, unable to parse string as a number" };
    }
    if (!["number", "string", "boolean"].includes(typeof given)) return { fault: "Input should be a valid number" };
    const value = Number(given);
    return fits(value) ? { value } : { fault: `Input should be ${described}` };
  };
}

"""What the Finance team offers to others: the only module of its own that they may import."""

# No `from __future__ import annotations`: in a workflow's sandbox, a string could not be resolved to its type.

from dataclasses import dataclass
from typing import Annotated, Literal

import nexusrpc
from pydantic import ConfigDict, Field

ENDPOINT = "finance"
Ticker = Annotated[str, Field(pattern="^[A-Za-z]{1,5}$", description="The stock's ticker symbol, such as ACME.")]


@dataclass(frozen=True)
class StockQuery:
    """The price of a stock right now, in dollars.

    Attributes:
        ticker: One to five letters.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    ticker: Ticker


@dataclass(frozen=True)
class StockPrice:
    """What a stock costs.

    Attributes:
        ticker: In capital letters.
        price: In dollars, with Finance's fee.
    """

    ticker: str
    price: float


@dataclass(frozen=True)
class RoiQuery:
    """The return on an investment (ROI), in percent.

    Attributes:
        invested: What was put in, in dollars.
        returned: What came back, in dollars.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    invested: Annotated[float, Field(gt=0, description="How many dollars were invested: the amount put in.")]
    returned: Annotated[float, Field(ge=0, description="How many dollars came back: what it is worth now.")]


@dataclass(frozen=True)
class Roi:
    """What an investment has returned.

    Attributes:
        percent: The gain, in percent of what was put in.
        gain: The gain, in dollars; negative for a loss.
    """

    percent: float
    gain: float


@nexusrpc.service
class Finance:
    """Finance's operations."""

    stock_price: nexusrpc.Operation[StockQuery, StockPrice]
    calculate_roi: nexusrpc.Operation[RoiQuery, Roi]


@dataclass(frozen=True)
class Amount:
    """Convert dollars to another currency.

    Attributes:
        dollars: More than nothing.
        currency: Its code.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    dollars: Annotated[float, Field(gt=0, description="How many dollars.")]
    currency: Annotated[Literal["EUR", "GBP", "JPY"], Field(description="The currency wanted.")]


@dataclass(frozen=True)
class Converted:
    """What an amount is in another currency.

    Attributes:
        amount: How much.
        currency: Of what.
    """

    amount: float
    currency: str


@nexusrpc.service
class Exchange:
    """What Finance has begun to offer since: a service of its own, at the same endpoint."""

    convert: nexusrpc.Operation[Amount, Converted]

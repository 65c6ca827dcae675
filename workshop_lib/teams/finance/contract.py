"""What the Finance team offers to others: the only one of its modules that they may import."""

from dataclasses import dataclass
from typing import Annotated, Literal

import nexusrpc
from pydantic import ConfigDict, Field, FiniteFloat

ENDPOINT = "finance"
Ticker = Annotated[str, Field(pattern="^[A-Za-z]{1,5}$", description="The stock's ticker symbol, such as ACME.")]
Invested = Annotated[FiniteFloat, Field(gt=0, description="How many dollars were invested: the amount put in.")]
Returned = Annotated[FiniteFloat, Field(ge=0, description="How many dollars came back: what it is worth now.")]
Dollars = Annotated[FiniteFloat, Field(gt=0, description="How many dollars.")]
Currency = Annotated[Literal["EUR", "GBP", "JPY"], Field(description="The currency wanted.")]


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
        invested: In dollars, more than 0.
        returned: In dollars.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    invested: Invested
    returned: Returned


@dataclass(frozen=True)
class Roi:
    """What an investment has returned.

    Attributes:
        percent: The gain, in percent of the dollars invested.
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
        dollars: More than 0.
        currency: The other currency's code.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    dollars: Dollars
    currency: Currency


@dataclass(frozen=True)
class Converted:
    """What an amount is in another currency.

    Attributes:
        amount: In the other currency.
        currency: The other currency's code.
    """

    amount: float
    currency: str


@nexusrpc.service
class Exchange:
    """A second service of Finance, added later, at the same endpoint."""

    convert: nexusrpc.Operation[Amount, Converted]

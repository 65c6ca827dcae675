"""Finance a week later: it offers one more tool, over Nexus and over MCP, and has an allowlist and a policy.

``await ws.spawn("workshop_lib.teams.finance.later")`` runs its Worker, and
``await ws.serve("finance-mcp", "workshop_lib.teams.finance.later")`` its MCP server.
"""

from temporalio.worker import Worker

from workshop_lib.governance.allowlist import Allowlist
from workshop_lib.governance.policy.guard import WORKFLOWS, PolicyGuard
from workshop_lib.nexus_mcp.directory import DirectoryHandler
from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance.contract import ENDPOINT, Amount, Converted, Currency, Dollars, Exchange, Finance
from workshop_lib.teams.finance.handler import ExchangeHandler, FinanceHandler, converted
from workshop_lib.teams.finance.mcp_server import server
from workshop_lib.teams.finance.worker import NAMESPACE, WORKER
from workshop_lib.teams.mcp_serving import application
from workshop_lib.teams.offering import offer

CALLERS = ["default", NAMESPACE]  # a call that was held comes from the owner's namespace
_DIRECTORY = DirectoryHandler({Finance: [Finance.stock_price, Finance.calculate_roi], Exchange: [Exchange.convert]})
LATER = {
    **WORKER,
    "workflows": [*WORKER["workflows"], *WORKFLOWS],
    "nexus_service_handlers": [FinanceHandler(), ExchangeHandler(), _DIRECTORY],
}


@server.tool()
async def convert(dollars: Dollars, currency: Currency) -> Converted:
    """Convert dollars to another currency."""
    return converted(Amount(dollars, currency))


app = application(server)


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running.

    Args:
        ws: How to reach the service.
    """
    return await offer(ws, ENDPOINT, NAMESPACE, LATER, Allowlist(map(ws.namespace, CALLERS)), PolicyGuard())

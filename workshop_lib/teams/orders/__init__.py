"""The orders team: check for fraud, prepare the shipment, charge the customer, ship the order."""

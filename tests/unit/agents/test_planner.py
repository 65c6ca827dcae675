"""The offline planner: which tools it calls for what people write, with which arguments, and what it says."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import workshop_lib.agents.model
from workshop_lib.agents.model.planner import plan

Json = dict[str, Any]

STRING: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}
INTEGER: Json = {"type": "integer"}
DATE: Json = {"type": "string", "format": "date"}
FLAG: Json = {"type": "boolean"}
NAMES: Json = {"type": "array", "items": STRING}


def enum(*values: str) -> Json:
    return {"type": "string", "enum": list(values)}


def maybe(schema: Json) -> Json:
    """As pydantic writes an optional value."""
    return {"anyOf": [schema, {"type": "null"}], "default": None}


def tool(name: str, description: str = "", **properties: Json) -> Json:
    """A tool; parameters with a default are optional."""
    required = [p for p, schema in properties.items() if "default" not in schema]
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


SHOP = [
    tool("calculator", "Work out an arithmetic expression, such as 12 * (3 + 4).", expression=STRING),
    tool("weather", "The weather in a city right now.", city=STRING),
    tool("search_documents", "Search the shop's handbook: returns, shipping, warranty and other rules.", query=STRING),
    tool(
        "refund",
        "Pay money back to the customer of an order.",
        order=STRING,
        amount=NUMBER,
        reason={"type": "string", "default": ""},
    ),
    tool(
        "ask_specialist",
        "Ask the specialist, who knows the shop's handbook and can refund orders.",
        question=STRING,
    ),
    tool("stock_price", "The price of a share, by its ticker symbol.", symbol=STRING),
    tool("calculate_roi", "Return on investment, in percent.", invested=NUMBER, returned=NUMBER),
    tool("jira_metrics", "Open and closed issues of a Jira project.", project=STRING),
    tool("get_ip", "The IP address of this machine as the internet sees it."),
]
SHARES = [
    tool("stock_price", "The latest price of a share.", ticker=STRING),
    tool("stock_news", "Recent headlines about a company's share.", ticker=STRING),
    tool("stock_history", "Prices of a share on past days.", ticker=STRING, start=DATE, end=maybe(DATE)),
    tool("get_ip", "The public IP address."),
    tool("get_ip_history", "The IP addresses that this machine had before."),
]
OFFICE = [
    tool(
        "book_meeting_room",
        "Reserve a room for a meeting.",
        room=STRING,
        date={**DATE, "description": "The day of the meeting"},
        people={**INTEGER, "default": 2, "description": "How many people come"},
    ),
    tool("invite_people", "Send invitations to a meeting.", names=NAMES, subject=maybe(STRING)),
    tool(
        "create_ticket",
        "Open a new support ticket.",
        title=STRING,
        priority={**enum("low", "medium", "high"), "default": "medium"},
    ),
    tool("close_ticket", "Close a support ticket that is done.", ticket_id=STRING),
    tool("list_holidays", "All public holidays of the year."),
    tool("request_leave", "Ask for days off.", start=DATE, end=DATE),
]
HOME: list[Json] = [
    tool("water_plants", "Give the plants in a room water.", room=enum("kitchen", "balcony", "office"), litres=NUMBER),
    tool("switch_light", "Turn a lamp on or off.", room=enum("kitchen", "balcony", "office"), state=enum("on", "off")),
    tool("convert_units", "Convert a quantity to another unit.", value=NUMBER, from_unit=STRING, to_unit=STRING),
    tool("translate_text", "Translate a text to another language.", text=STRING, language=STRING),
    tool("tip_amount", "The tip for a bill.", bill=NUMBER, percent=NUMBER),
    tool("set_timer", "Start a kitchen timer.", minutes=NUMBER),
    tool("play_music", "Play songs of an artist.", artist=STRING, shuffle={**FLAG, "default": False}),
]
PARCELS: list[Json] = [
    {
        "type": "function",
        "function": {
            "name": "ship_parcel",
            "description": "Send a parcel to somebody.",
            "parameters": {
                "$defs": {
                    "Address": {
                        "type": "object",
                        "properties": {"name": STRING, "city": STRING},
                        "required": ["name", "city"],
                    },
                    "Speed": {"type": "string", "enum": ["standard", "express"]},
                },
                "type": "object",
                "properties": {
                    "to": {"$ref": "#/$defs/Address"},
                    "weight_kg": NUMBER,
                    "speed": {"$ref": "#/$defs/Speed", "default": "standard"},
                    "insured_value": maybe(NUMBER),
                },
                "required": ["to", "weight_kg"],
            },
        },
    },
    tool("track_parcel", "Where a parcel is now.", tracking_number=STRING),
    tool("delivery_cost", "What sending a parcel costs.", weight=NUMBER, country=STRING),
    tool(
        "email_customer", "Write an email to a customer.", email={"type": "string", "format": "email"}, message=STRING
    ),
]

TRAVEL = [
    tool(
        "find_flights",
        "Flights between two cities on a day.",
        origin=STRING,
        destination=STRING,
        date=DATE,
        passengers={**INTEGER, "default": 1},
    ),
    tool("book_hotel", "Reserve a hotel room.", city=STRING, nights=INTEGER, stars=maybe(INTEGER)),
    tool(
        "currency_exchange",
        "Convert an amount of money to another currency.",
        amount=NUMBER,
        from_currency=STRING,
        to_currency=STRING,
    ),
    tool("get_time", "The current time in a city.", city=STRING),
    tool("send_message", "Send a chat message to a colleague.", recipient=STRING, text=STRING),
    tool("delete_file", "Remove a file.", path=STRING),
    tool("schedule_reminder", "Remind me of something at a time.", what=STRING, time=STRING),
]
ORDERS = [
    tool("check_inventory", "How many pieces of a product are in stock.", sku=STRING),
    tool("restock", "Order more pieces of a product.", sku=STRING, quantity=INTEGER),
    tool("customer_lookup", "Look up a customer by email address.", email=STRING),
    tool("apply_discount", "Give a customer a discount on an order.", order_id=STRING, percent=NUMBER),
    tool("cancel_order", "Cancel an order that has not shipped.", order_id=STRING, reason=maybe(STRING)),
    tool("order_status", "Where an order is now.", order_id=STRING),
]
CLINIC = [
    tool("get_patient_record", "Fetch the record of a patient.", patient_id=STRING),
    tool(
        "schedule_appointment",
        "Make an appointment for a patient with a doctor.",
        patient=STRING,
        doctor=STRING,
        date=DATE,
        urgent={**FLAG, "default": False},
    ),
    tool(
        "prescribe",
        "Prescribe a drug.",
        patient=STRING,
        drug={**STRING, "description": "Name of the drug"},
        dose_mg=NUMBER,
    ),
    tool("body_mass_index", "Body mass index (BMI) from weight and height.", weight_kg=NUMBER, height_m=NUMBER),
]
BILLS = [
    tool("create_invoice", "Create an invoice for a customer.", customer=STRING, amount=NUMBER, due_date=maybe(DATE)),
    tool("send_invoice", "Send an invoice by email.", invoice_id=STRING, email=STRING),
    tool("list_invoices", "List invoices by status.", status=enum("open", "paid", "overdue")),
    tool("loan_payment", "Monthly payment of a loan.", principal=NUMBER, annual_rate_percent=NUMBER, years=INTEGER),
]
SERVERS = [
    tool(
        "deploy_service",
        "Deploy a version of a service.",
        service=STRING,
        version=STRING,
        environment=enum("staging", "production"),
    ),
    tool("rollback_service", "Undo the latest deployment of a service.", service=STRING),
    tool("service_logs", "Read the logs of a service.", service=STRING, lines={**INTEGER, "default": 100}),
    tool("restart_server", "Restart a server.", hostname=STRING),
    tool("server_status", "Whether a server is up.", hostname=STRING),
    tool("add_labels", "Put labels on an issue.", issue=STRING, labels=NAMES),
]
KITCHEN = [
    tool("search_recipes", "Search recipes by ingredients.", ingredients=NAMES, max_minutes=maybe(INTEGER)),
    tool("get_recipe", "The steps of a recipe.", recipe=STRING),
    tool("add_to_shopping_list", "Put items on the shopping list.", items=NAMES),
    tool("random_number", "A random number between two bounds.", low=INTEGER, high=INTEGER),
    tool("roll_dice", "Roll dice."),
    tool("define_word", "What a word means.", word=STRING),
    tool("movie_rating", "The rating of a film.", title=STRING),
]

# The tools and utterances of these five sets are younger than the rules.
GARDEN = [
    tool("measure_soil", "Measure how moist the soil of a bed is.", bed=STRING),
    tool("open_valve", "Open a water valve for some minutes.", valve=STRING, minutes=NUMBER),
    tool("frost_alert", "Whether frost is expected on a date.", date=DATE),
    tool("order_seeds", "Buy packets of seeds.", plant=STRING, packets=INTEGER),
]
LIBRARY = [
    tool("find_book", "Find books by an author.", author=STRING),
    tool("reserve_book", "Put a book aside for a reader.", title=STRING, reader=STRING),
    tool("overdue_books", "Books that a reader has not brought back.", reader=STRING),
    tool("pay_fine", "Pay the fine of a reader.", reader=STRING, amount=NUMBER),
]
BANK = [
    tool("account_balance", "The balance of an account.", account=STRING),
    tool("transfer_money", "Transfer money between accounts.", from_account=STRING, to_account=STRING, amount=NUMBER),
    tool("exchange_rate", "The rate between two currencies.", base=STRING, quote=STRING),
    tool("block_card", "Block a lost card.", card_number=STRING),
    tool("interest", "Interest on a sum after years at a rate.", principal=NUMBER, rate_percent=NUMBER, years=INTEGER),
]
FLEET = [
    tool("locate_truck", "Where a truck is.", truck=STRING),
    tool("fuel_level", "How much fuel a truck has left.", truck=STRING),
    tool("plan_route", "A route between two places.", start=STRING, end=STRING),
    tool("assign_driver", "Give a truck a driver.", truck=STRING, driver=STRING),
    tool("count_trucks", "How many trucks there are."),
]
EVENING = [
    SHOP[0],
    SHOP[1],
    tool("book_table", "Reserve a table in a restaurant.", people=INTEGER, time=STRING),
    tool("word_count", "Count the words of a text.", text=STRING),
    tool("days_until", "How many days there are until a date.", date=DATE),
    tool("reverse_text", "Turn a text around.", text=STRING),
    tool("joke", "Tell a joke."),
]

Expected = list[tuple[str, Json]] | str
"""The calls, in any order; or what the text must match, no tool being called."""

ASKS = r"I need the .*\?"
NO_TOOL = "None of my tools"

SHOP_TABLE: list[tuple[str, Expected]] = [
    ("how warm is it in Oslo?", [("weather", {"city": "Oslo"})]),
    ("What's the weather like in New York today?", [("weather", {"city": "New York"})]),
    ("do I need an umbrella in Bergen", [("weather", {"city": "Bergen"})]),
    ("Is it raining in Lima?", [("weather", {"city": "Lima"})]),
    ("weather in oslo please", [("weather", {"city": "oslo"})]),
    ("how is Apple trading, ticker AAPL", [("stock_price", {"symbol": "AAPL"})]),
    ("What does a share of MSFT cost?", [("stock_price", {"symbol": "MSFT"})]),
    ("Could you please tell me the stock price of NVDA?", [("stock_price", {"symbol": "NVDA"})]),
    ("what is 12 * (3 + 4)?", [("calculator", {"expression": "12 * (3 + 4)"})]),
    ("12 times 7", [("calculator", {"expression": "12 * 7"})]),
    ("Calculate 1,200 / 8", [("calculator", {"expression": "1200 / 8"})]),
    ("How much is 15% of 240?", [("calculator", {"expression": "15 / 100 * 240"})]),
    ("what's 3.5 plus 2 minus 1", [("calculator", {"expression": "3.5 + 2 - 1"})]),
    ("Refund 30 dollars for order-7", [("refund", {"order": "order-7", "amount": 30})]),
    (
        "please pay $12.50 back for order-12 because the parcel came late",
        [("refund", {"order": "order-12", "amount": 12.5, "reason": "the parcel came late"})],
    ),
    ("Give the customer of order-3 1,250.50 EUR back", [("refund", {"order": "order-3", "amount": 1250.5})]),
    ("order-9 should get a refund of €20", [("refund", {"order": "order-9", "amount": 20})]),
    ("I want to refund order-4", ASKS + "|amount"),
    ("refund 20 dollars", ASKS),
    ("what's the weather?", ASKS),
    ("What is the price of the share?", ASKS),
    ("invest 1000 and get back 1250", [("calculate_roi", {"invested": 1000, "returned": 1250})]),
    (
        "What is the ROI if I put in 2,000 dollars and 2,600 dollars are returned?",
        [("calculate_roi", {"invested": 2000, "returned": 2600})],
    ),
    ("I invested 400 and got 500 returned, what's my ROI?", [("calculate_roi", {"invested": 400, "returned": 500})]),
    ("how many issues are open in PROJ?", [("jira_metrics", {"project": "PROJ"})]),
    ("Show me the Jira metrics of project APOLLO", [("jira_metrics", {"project": "APOLLO"})]),
    ("closed issues in the OPS project?", [("jira_metrics", {"project": "OPS"})]),
    ("What's my IP address?", [("get_ip", {})]),
    ("which ip does this machine have", [("get_ip", {})]),
    ("how long is the warranty?", [("search_documents", {"query": "how long is the warranty"})]),
    (
        "Can you tell me what the handbook says about returns?",
        [("search_documents", {"query": "what the handbook says about returns"})],
    ),
    ("Search the handbook for shipping rules", [("search_documents", {"query": ...})]),
    ("What are the rules for returns and shipping?", [("search_documents", {"query": ...})]),
    ("Ask the specialist whether order-7 can be refunded", [("ask_specialist", {"question": ...})]),
    (
        "weather in Paris and the price of AAPL",
        [("weather", {"city": "Paris"}), ("stock_price", {"symbol": "AAPL"})],
    ),
    ("weather in Paris and in Rome", [("weather", {"city": "Paris"}), ("weather", {"city": "Rome"})]),
    (
        "Weather in Paris, Rome and Oslo?",
        [("weather", {"city": "Paris"}), ("weather", {"city": "Rome"}), ("weather", {"city": "Oslo"})],
    ),
    (
        "I need the share prices of AAPL and MSFT",
        [("stock_price", {"symbol": "AAPL"}), ("stock_price", {"symbol": "MSFT"})],
    ),
    (
        "What is 2 + 2? And what's the weather in Kyoto?",
        [("calculator", {"expression": "2 + 2"}), ("weather", {"city": "Kyoto"})],
    ),
    (
        "Tell me my IP, the weather in Cairo and the issues of PROJ",
        [("get_ip", {}), ("weather", {"city": "Cairo"}), ("jira_metrics", {"project": "PROJ"})],
    ),
    (
        "don't look up the weather, just tell me the price of AAPL",
        [("stock_price", {"symbol": "AAPL"})],
    ),
    ("The price of AAPL, but not the weather", [("stock_price", {"symbol": "AAPL"})]),
    ("no refund, please", "."),
    ("Do not refund order-7, it is fine", "."),
    ("Without asking the specialist: how long is the warranty?", [("search_documents", {"query": ...})]),
    ("first the weather in Oslo, then the price of AAPL", [("weather", {"city": "Oslo"})]),
    ("Get the price of AAPL and then multiply it by 3", [("stock_price", {"symbol": "AAPL"})]),
    ("I'd like to know if it's cold in Berlin", [("weather", {"city": "Berlin"})]),
    ("My package arrived broken, what can I do?", [("search_documents", {"query": ...})]),
    ("Can I return shoes without a receipt?", [("search_documents", {"query": ...})]),
    (
        "Customer of order-7 complains that the mug is broken. Refund 12 euros.",
        [("refund", {"order": "order-7", "amount": 12})],
    ),
    (
        "refund order-7 for 30 dollars, reason: damaged",
        [("refund", {"order": "order-7", "amount": 30, "reason": "damaged"})],
    ),
    (
        "Refund $5 for order-1 and $10 for order-2",
        [("refund", {"order": "order-1", "amount": 5}), ("refund", {"order": "order-2", "amount": 10})],
    ),
    ("Is order-7 covered by the warranty? Ask the specialist.", [("ask_specialist", {"question": ...})]),
    ("I do not want the weather but the price of AAPL", [("stock_price", {"symbol": "AAPL"})]),
    ("What is 100 dollars plus 20 dollars?", [("calculator", {"expression": "100 + 20"})]),
    (
        "How is the weather in Paris compared to Rome?",
        [("weather", {"city": "Paris"}), ("weather", {"city": "Rome"})],
    ),
    ("Is it sunny in Lisbon?", [("weather", {"city": "Lisbon"})]),
    ("Is it colder in Oslo or in Berlin?", [("weather", {"city": "Oslo"}), ("weather", {"city": "Berlin"})]),
    ("What's 18% of 250?", [("calculator", {"expression": "18 / 100 * 250"})]),
    ("What's the capital of France?", NO_TOOL),
    ("What is the price of gold?", ASKS),
    ("hi", "Hello"),
    ("Good morning!", "Hello"),
    ("thanks a lot", "welcome"),
    ("Bye!", "Goodbye"),
    ("who are you?", "stand-in"),
    ("What can you do?", "stock price"),
    ("who won the match last night?", NO_TOOL),
    ("Write me a poem about the sea", NO_TOOL),
    ("What's my name?", "not told"),
    ("my name is Ann", "your name is Ann"),
]

OTHER_TABLE: list[tuple[list[Json], str, Expected]] = [
    (SHARES, "what is the price of AAPL?", [("stock_price", {"ticker": "AAPL"})]),
    (SHARES, "any news about TSLA?", [("stock_news", {"ticker": "TSLA"})]),
    (SHARES, "headlines for AMZN please", [("stock_news", {"ticker": "AMZN"})]),
    (
        SHARES,
        "price history of IBM from 2026-01-01 to 2026-02-01",
        [("stock_history", {"ticker": "IBM", "start": "2026-01-01", "end": "2026-02-01"})],
    ),
    (
        SHARES,
        "the past prices of IBM since March 1, 2026",
        [("stock_history", {"ticker": "IBM", "start": "2026-03-01"})],
    ),
    (SHARES, "what is my ip?", [("get_ip", {})]),
    (SHARES, "which IP addresses did I have before?", [("get_ip_history", {})]),
    (SHARES, "show me the ip history", [("get_ip_history", {})]),
    (
        SHARES,
        "the price of AAPL and news about MSFT",
        [("stock_price", {"ticker": "AAPL"}), ("stock_news", {"ticker": "MSFT"})],
    ),
    (SHARES, "the news on AAPL, not the price", [("stock_news", {"ticker": "AAPL"})]),
    (SHARES, "price history of IBM", ASKS),
    (
        OFFICE,
        "Book the meeting room B12 on 1 March 2026",
        [("book_meeting_room", {"room": "B12", "date": "2026-03-01"})],
    ),
    (
        OFFICE,
        "I'd like to reserve room A3 for 8 people on 2026-04-05",
        [("book_meeting_room", {"room": "A3", "date": "2026-04-05", "people": 8})],
    ),
    (OFFICE, "Invite Ann, Bob and Cy to the meeting", [("invite_people", {"names": ["Ann", "Bob", "Cy"]})]),
    (OFFICE, "Open a ticket called 'Printer on fire'", [("create_ticket", {"title": "Printer on fire"})]),
    (
        OFFICE,
        'create a high priority ticket "Login is broken"',
        [("create_ticket", {"title": "Login is broken", "priority": "high"})],
    ),
    (OFFICE, "close ticket T-17", [("close_ticket", {"ticket_id": "T-17"})]),
    (OFFICE, "Ticket 42 is done, please close it", [("close_ticket", {"ticket_id": "42"})]),
    (OFFICE, "Which public holidays are there?", [("list_holidays", {})]),
    (
        OFFICE,
        "I want days off from March 2, 2026 to March 9, 2026",
        [("request_leave", {"start": "2026-03-02", "end": "2026-03-09"})],
    ),
    (OFFICE, "close the ticket", ASKS),
    (OFFICE, "book a meeting room for tomorrow", ASKS),
    (
        OFFICE,
        "close T-1 and T-2",
        [("close_ticket", {"ticket_id": "T-1"}), ("close_ticket", {"ticket_id": "T-2"})],
    ),
    (OFFICE, "Don't close the ticket T-3, list the holidays instead", [("list_holidays", {})]),
    (HOME, "water the plants on the balcony with 2 litres", [("water_plants", {"room": "balcony", "litres": 2})]),
    (HOME, "give my kitchen plants 1.5 litres of water", [("water_plants", {"room": "kitchen", "litres": 1.5})]),
    (HOME, "switch the light in the kitchen off", [("switch_light", {"room": "kitchen", "state": "off"})]),
    (HOME, "turn on the lamp in the office", [("switch_light", {"room": "office", "state": "on"})]),
    (
        HOME,
        "convert 12 kg to pounds",
        [("convert_units", {"value": 12, "from_unit": "kg", "to_unit": "pounds"})],
    ),
    (
        HOME,
        "What are 3.5 hours in minutes?",
        [("convert_units", {"value": 3.5, "from_unit": "hours", "to_unit": "minutes"})],
    ),
    (
        HOME,
        "translate 'good morning' to French",
        [("translate_text", {"text": "good morning", "language": "French"})],
    ),
    (
        HOME,
        "Please translate where is the station into Spanish",
        [("translate_text", {"text": "where is the station", "language": "Spanish"})],
    ),
    (HOME, "What tip is 15% of a bill of $80?", [("tip_amount", {"bill": 80, "percent": 15})]),
    (HOME, "start a timer of ten minutes", [("set_timer", {"minutes": 10})]),
    (HOME, "play something by Nina Simone", [("play_music", {"artist": "Nina Simone"})]),
    (HOME, "play songs of Bach with shuffle", [("play_music", {"artist": "Bach", "shuffle": True})]),
    (HOME, "water the plants in the office", ASKS),
    (
        HOME,
        "turn the kitchen light on and set a timer for 5 minutes",
        [("switch_light", {"room": "kitchen", "state": "on"}), ("set_timer", {"minutes": 5})],
    ),
    (HOME, "Do not play music", "."),
    (HOME, "how tall is the Eiffel tower?", NO_TOOL),
    (PARCELS, "where is parcel 1Z999AA10?", [("track_parcel", {"tracking_number": "1Z999AA10"})]),
    (
        PARCELS,
        "How much does it cost to send a parcel of 5 kg to Norway?",
        [("delivery_cost", {"weight": 5, "country": "Norway"})],
    ),
    (
        PARCELS,
        "Email ann@example.com saying the parcel is late",
        [("email_customer", {"email": "ann@example.com", "message": "the parcel is late"})],
    ),
    (PARCELS, "ship a parcel to Ann in Oslo", ASKS + "|weight"),
    (PARCELS, "Track my parcel", ASKS),
    (
        PARCELS,
        "track the parcels AB-12 and CD-34",
        [("track_parcel", {"tracking_number": "AB-12"}), ("track_parcel", {"tracking_number": "CD-34"})],
    ),
    (
        TRAVEL,
        "find me flights from Paris to Rome on 2026-05-01",
        [("find_flights", {"origin": "Paris", "destination": "Rome", "date": "2026-05-01"})],
    ),
    (
        TRAVEL,
        "I need a flight to Rome from Paris on May 3, 2026 for 2 passengers",
        [("find_flights", {"origin": "Paris", "destination": "Rome", "date": "2026-05-03", "passengers": 2})],
    ),
    (
        TRAVEL,
        "a 4 stars hotel in Lisbon for three nights please",
        [("book_hotel", {"city": "Lisbon", "nights": 3, "stars": 4})],
    ),
    (
        TRAVEL,
        "exchange 100 USD to EUR",
        [("currency_exchange", {"amount": 100, "from_currency": "USD", "to_currency": "EUR"})],
    ),
    (
        TRAVEL,
        "how many euros are $30?",
        [("currency_exchange", {"amount": 30, "from_currency": "USD", "to_currency": ...})],
    ),
    (
        TRAVEL,
        "what's the time in Tokyo and in Delhi",
        [("get_time", {"city": "Tokyo"}), ("get_time", {"city": "Delhi"})],
    ),
    (TRAVEL, "tell Bob that the build is green", [("send_message", {"recipient": "Bob", "text": ...})]),
    (
        TRAVEL,
        "send Ann the message 'lunch at noon?'",
        [("send_message", {"recipient": "Ann", "text": "lunch at noon?"})],
    ),
    (TRAVEL, "delete the file /tmp/a.txt", [("delete_file", {"path": "/tmp/a.txt"})]),
    (TRAVEL, "remind me to call mum at 5pm", [("schedule_reminder", {"what": "call mum", "time": "5pm"})]),
    (ORDERS, "order 40 more of SKU-12", [("restock", {"sku": "SKU-12", "quantity": 40})]),
    (ORDERS, "how many pieces of SKU-12 do we have?", [("check_inventory", {"sku": "SKU-12"})]),
    (ORDERS, "who is the customer with ann@example.com?", [("customer_lookup", {"email": "ann@example.com"})]),
    (ORDERS, "give order-5 a 10% discount", [("apply_discount", {"order_id": "order-5", "percent": 10})]),
    (ORDERS, "where is order-9?", [("order_status", {"order_id": "order-9"})]),
    (ORDERS, "what's the status of order 17?", [("order_status", {"order_id": "17"})]),
    (
        ORDERS,
        "cancel order-8 because I changed my mind",
        [("cancel_order", {"order_id": "order-8", "reason": "I changed my mind"})],
    ),
    (ORDERS, "Hello, could you cancel my order?", ASKS),
    (CLINIC, "show me the record of patient P-12", [("get_patient_record", {"patient_id": "P-12"})]),
    (
        CLINIC,
        "make an urgent appointment for Ann with Dr. Brown on March 7, 2026",
        [
            (
                "schedule_appointment",
                {"patient": "Ann", "doctor": "Dr. Brown", "date": "2026-03-07", "urgent": True},
            )
        ],
    ),
    (
        CLINIC,
        "prescribe 200 mg of Ibuprofen to Bob",
        [("prescribe", {"patient": "Bob", "drug": "Ibuprofen", "dose_mg": 200})],
    ),
    (CLINIC, "What's the BMI at 80 kg and 1.8 m?", [("body_mass_index", {"weight_kg": 80, "height_m": 1.8})]),
    (
        BILLS,
        "create an invoice of 1,200 EUR for Acme due on 2026-04-01",
        [("create_invoice", {"customer": "Acme", "amount": 1200, "due_date": "2026-04-01"})],
    ),
    (
        BILLS,
        "send invoice INV-7 to bob@example.com",
        [("send_invoice", {"invoice_id": "INV-7", "email": "bob@example.com"})],
    ),
    (BILLS, "which invoices are overdue?", [("list_invoices", {"status": "overdue"})]),
    (
        BILLS,
        "What is the monthly payment for a loan of $200,000 at 3.5% over 20 years?",
        [("loan_payment", {"principal": 200000, "annual_rate_percent": 3.5, "years": 20})],
    ),
    (BILLS, "don't send the invoice INV-3", "."),
    (
        SERVERS,
        "deploy version v1.2.3 of the checkout service to production",
        [("deploy_service", {"service": "checkout", "version": "v1.2.3", "environment": "production"})],
    ),
    (SERVERS, "roll back the payments service", [("rollback_service", {"service": "payments"})]),
    (
        SERVERS,
        "show the last 50 lines of the logs of checkout",
        [("service_logs", {"service": "checkout", "lines": 50})],
    ),
    (SERVERS, "is server web-1 up?", [("server_status", {"hostname": "web-1"})]),
    (
        SERVERS,
        "restart web-1 and web-2",
        [("restart_server", {"hostname": "web-1"}), ("restart_server", {"hostname": "web-2"})],
    ),
    (
        SERVERS,
        "put the labels bug and urgent on issue PROJ-12",
        [("add_labels", {"issue": "PROJ-12", "labels": ["bug", "urgent"]})],
    ),
    (
        KITCHEN,
        "recipes with tomatoes, basil and cheese",
        [("search_recipes", {"ingredients": ["tomatoes", "basil", "cheese"]})],
    ),
    (
        KITCHEN,
        "find a recipe with rice and beans in under 30 minutes",
        [("search_recipes", {"ingredients": ["rice", "beans"], "max_minutes": 30})],
    ),
    (KITCHEN, "how do I cook Lasagne? get me the recipe", [("get_recipe", {"recipe": "Lasagne"})]),
    (
        KITCHEN,
        "add milk, eggs and bread to my shopping list",
        [("add_to_shopping_list", {"items": ["milk", "eggs", "bread"]})],
    ),
    (KITCHEN, "give me a random number from 5 to 9", [("random_number", {"low": 5, "high": 9})]),
    (KITCHEN, "what does 'ubiquitous' mean?", [("define_word", {"word": "ubiquitous"})]),
    (KITCHEN, "roll the dice and define the word luck", [("roll_dice", {}), ("define_word", {"word": "luck"})]),
    (KITCHEN, "how is the film Alien rated?", [("movie_rating", {"title": "Alien"})]),
    (GARDEN, "how moist is bed B4?", [("measure_soil", {"bed": "B4"})]),
    (GARDEN, "Check the soil in bed B2 please", [("measure_soil", {"bed": "B2"})]),
    (GARDEN, "open valve V3 for 12 minutes", [("open_valve", {"valve": "V3", "minutes": 12})]),
    (GARDEN, "Will there be frost on 2026-11-30?", [("frost_alert", {"date": "2026-11-30"})]),
    (GARDEN, "is frost expected on 4 December 2026", [("frost_alert", {"date": "2026-12-04"})]),
    (GARDEN, "buy 3 packets of carrot seeds", [("order_seeds", {"plant": "carrot", "packets": 3})]),
    (GARDEN, "Don't open valve V1, measure the soil of bed B7", [("measure_soil", {"bed": "B7"})]),
    (GARDEN, "open the valve", ASKS),
    (LIBRARY, "Which books by Ursula Le Guin do you have?", [("find_book", {"author": "Ursula Le Guin"})]),
    (LIBRARY, "please put 'Dune' aside for Tom", [("reserve_book", {"title": "Dune", "reader": "Tom"})]),
    (LIBRARY, "which books has Mary not returned?", [("overdue_books", {"reader": "Mary"})]),
    (LIBRARY, "Pay the $4.50 fine of Mary", [("pay_fine", {"reader": "Mary", "amount": 4.5})]),
    (
        LIBRARY,
        "find books by Borges and by Kafka",
        [("find_book", {"author": "Borges"}), ("find_book", {"author": "Kafka"})],
    ),
    (BANK, "what is the balance of account ACC-9?", [("account_balance", {"account": "ACC-9"})]),
    (BANK, "How much is on ACC-12", [("account_balance", {"account": "ACC-12"})]),
    (
        BANK,
        "transfer 250 euros from ACC-1 to ACC-2",
        [("transfer_money", {"from_account": "ACC-1", "to_account": "ACC-2", "amount": 250})],
    ),
    (
        BANK,
        "Move $1,000 to ACC-5 from ACC-4",
        [("transfer_money", {"from_account": "ACC-4", "to_account": "ACC-5", "amount": 1000})],
    ),
    (BANK, "I lost my card 4711-22, please block it", [("block_card", {"card_number": "4711-22"})]),
    (BANK, "what's the exchange rate from USD to CHF?", [("exchange_rate", {"base": "USD", "quote": "CHF"})]),
    (BANK, "interest on $5,000 at 4% for 3 years", [("interest", {"principal": 5000, "rate_percent": 4, "years": 3})]),
    (BANK, "Do not transfer anything", "."),
    (BANK, "transfer 50 dollars", ASKS),
    (FLEET, "where is truck T-9 right now?", [("locate_truck", {"truck": "T-9"})]),
    (FLEET, "how much fuel does T-4 have?", [("fuel_level", {"truck": "T-4"})]),
    (FLEET, "plan a route from Lyon to Turin", [("plan_route", {"start": "Lyon", "end": "Turin"})]),
    (FLEET, "let Carla drive truck T-2", [("assign_driver", {"truck": "T-2", "driver": "Carla"})]),
    (FLEET, "assign driver Carla to truck T-2", [("assign_driver", {"truck": "T-2", "driver": "Carla"})]),
    (FLEET, "how many trucks do we have?", [("count_trucks", {})]),
    (FLEET, "first locate truck T-1, then tell me its fuel level", [("locate_truck", {"truck": "T-1"})]),
    (FLEET, "where are T-1 and T-2?", [("locate_truck", {"truck": "T-1"}), ("locate_truck", {"truck": "T-2"})]),
    (FLEET, "the fuel of T-1, not its location", [("fuel_level", {"truck": "T-1"})]),
    (FLEET, "who invented the wheel?", NO_TOOL),
    (EVENING, "reserve a table for 4 people at 7pm", [("book_table", {"people": 4, "time": "7pm"})]),
    (EVENING, "how many words are in 'to be or not to be'?", [("word_count", {"text": "to be or not to be"})]),
    (EVENING, "how many days until 2026-12-24?", [("days_until", {"date": "2026-12-24"})]),
    (EVENING, "reverse the text 'hello'", [("reverse_text", {"text": "hello"})]),
    (EVENING, "tell me a joke", [("joke", {})]),
    (
        EVENING,
        "what's 9 plus 10 and the weather in Rome",
        [("calculator", {"expression": "9 + 10"}), ("weather", {"city": "Rome"})],
    ),
    (EVENING, "Hello!", "Hello"),
    (EVENING, "what do you think of Plato?", NO_TOOL),
    (EVENING, "Tell me a joke and then count the words of 'one two three'", [("joke", {})]),
    ([], "what's the weather in Oslo?", "no tools"),
    ([tool("ping")], "ping the server", [("ping", {})]),
]

TABLE: list[tuple[list[Json], str, Expected]] = [*((SHOP, said, wanted) for said, wanted in SHOP_TABLE), *OTHER_TABLE]


def user(text: Any) -> Json:
    return {"role": "user", "content": text}


def calls_of(message: Json) -> list[tuple[str, Json]]:
    found = [c["function"] for c in message.get("tool_calls") or []]
    return [(f["name"], json.loads(f["arguments"])) for f in found]


def fits(message: Json, wanted: Expected) -> bool:
    made = calls_of(message)
    if isinstance(wanted, str):
        return not made and bool(re.search(wanted, message["content"]))
    if sorted(name for name, _ in made) != sorted(name for name, _ in wanted):
        return False
    return all(any(_equal(call, one) for call in made) for one in wanted)


def _equal(made: tuple[str, Json], wanted: tuple[str, Json]) -> bool:
    return (
        made[0] == wanted[0]
        and made[1].keys() == wanted[1].keys()
        and all(value in (..., made[1][name]) for name, value in wanted[1].items())
    )


def shown(message: Json) -> str:
    return str(calls_of(message) or message["content"])


def test_the_table_is_right_in_95_percent() -> None:
    made = [(said, plan([user(said)], tools), want) for tools, said, want in TABLE]
    misses = [(said, shown(message)) for said, message, want in made if not fits(message, want)]
    for said, message in misses:
        print(f"{said!r} → {message}")
    assert len(TABLE) >= 80
    assert 1 - len(misses) / len(TABLE) >= 0.95, misses


@pytest.mark.parametrize(("tools", "said", "want"), TABLE, ids=[said for _, said, _ in TABLE])
def test_calls_are_well_formed(tools: list[Json], said: str, want: Expected) -> None:
    schemas = {t["function"]["name"]: t["function"]["parameters"] for t in tools}
    message = plan([user(said)], tools)
    assert (message["content"] is None) == bool(message.get("tool_calls"))
    for name, arguments in calls_of(message):
        assert set(schemas[name]["required"]) <= set(arguments) <= set(schemas[name]["properties"])


class Talk:
    """A conversation with the planner, whose calls are answered by ``answer``."""

    def __init__(
        self, tools: list[Json], answer: Callable[[str, Json], str] = lambda name, _: f"{name} is done"
    ) -> None:
        self.tools = tools
        self.answer = answer
        self.messages: list[Json] = []
        self.rounds: list[list[tuple[str, Json]]] = []

    def say(self, text: Any) -> str:
        """One turn, to its end: what the planner says."""
        self.messages.append(user(text))
        self.rounds = []
        for _ in range(12):
            message = plan(self.messages, self.tools)
            self.messages.append(message)
            if not message.get("tool_calls"):
                return str(message["content"])
            self.rounds.append(calls_of(message))
            for call in message["tool_calls"]:
                function = call["function"]
                content = self.answer(function["name"], json.loads(function["arguments"]))
                self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})
        raise AssertionError("the turn does not end")

    @property
    def names(self) -> list[list[str]]:
        return [[name for name, _ in calls] for calls in self.rounds]


def answers(**results: str) -> Callable[[str, Json], str]:
    return lambda name, _: results[name]


@pytest.mark.parametrize(
    ("told", "asked", "answer"),
    [
        ("my name is Ann", "what's my name?", "Your name is Ann."),
        ("Hi, my name is Ann", "Who am I?", "Your name is Ann."),
        (
            "My favourite colour is green.",
            "Do you remember what my favourite colour is?",
            "Your favourite colour is green.",
        ),
        ("I live in Oslo", "where do I live?", "You live in Oslo."),
        ("I am 34", "how old am I?", "You are 34."),
        ("remember that the code is 4711", "what is the code?", "The code is 4711."),
        ("please remember: the door code is 99", "what was the door code again?", "The door code is 99."),
        ("we have 12 warehouses", "how many warehouses do we have?", "You have 12 warehouses."),
        ("our office is in Bonn", "where is our office?", "Your office is in Bonn."),
    ],
)
@pytest.mark.parametrize("tools", [SHOP, HOME, []])
def test_facts_are_remembered(told: str, asked: str, answer: str, tools: list[Json]) -> None:
    talk = Talk(tools)
    talk.say(told)
    assert talk.rounds == []
    talk.say("thanks")
    assert talk.say(asked) == answer
    assert talk.rounds == []


def test_the_latest_fact_counts() -> None:
    talk = Talk(SHOP)
    talk.say("My name is Ann")
    talk.say("Sorry, my name is Bea")
    talk.say("My name is Bea")
    assert talk.say("what is my name?") == "Your name is Bea."
    assert "not told" in talk.say("what is my favourite film?")


@pytest.mark.parametrize(
    "said", ["My lamp is broken, please refund $30 for order-7", "My lamp is broken, refund $30 for order-7"]
)
def test_a_fact_does_not_hide_a_request(said: str) -> None:
    assert calls_of(plan([user(said)], SHOP)) == [("refund", {"order": "order-7", "amount": 30})]


def test_what_happened_already_is_not_done_again() -> None:
    assert calls_of(plan([user("I was refunded 30 dollars for order-7 yesterday")], SHOP)) == []


def test_a_fact_beside_a_request_is_kept() -> None:
    talk = Talk(SHOP, answers(weather="sunny"))
    assert talk.say("My name is Ann. What's the weather in Rome?") == "The weather says sunny."
    assert talk.say("What's my name?") == "Your name is Ann."


@pytest.mark.parametrize(
    ("tools", "first", "then", "call"),
    [
        (SHOP, "what is the price of AAPL?", "and for MSFT?", ("stock_price", {"symbol": "MSFT"})),
        (SHOP, "weather in Paris", "What about Rome?", ("weather", {"city": "Rome"})),
        (SHOP, "weather in Paris", "and in New York?", ("weather", {"city": "New York"})),
        (SHOP, "what's the weather?", "Oslo", ("weather", {"city": "Oslo"})),
        (SHOP, "I want a refund for order-7", "30 dollars", ("refund", {"order": "order-7", "amount": 30})),
        (
            SHOP,
            "what about order-7?",
            "refund 30 dollars for that order",
            ("refund", {"order": "order-7", "amount": 30}),
        ),
        (SHOP, "I am going to Oslo", "how warm is it there?", ("weather", {"city": "Oslo"})),
        (OFFICE, "Ticket T-5 is done", "close it", ("close_ticket", {"ticket_id": "T-5"})),
        (
            HOME,
            "convert 12 kg to pounds",
            "and 15 kg?",
            ("convert_units", {"value": 15, "from_unit": "kg", "to_unit": "pounds"}),
        ),
        (PARCELS, "where is parcel AB-12?", "and CD-34?", ("track_parcel", {"tracking_number": "CD-34"})),
    ],
)
def test_follow_ups(tools: list[Json], first: str, then: str, call: tuple[str, Json]) -> None:
    talk = Talk(tools)
    talk.say(first)
    talk.say(then)
    assert talk.rounds == [[call]]


def test_what_was_found_before_is_not_looked_up_again() -> None:
    talk = Talk(SHOP, answers(stock_price="187.2", weather="Sunny, 21 °C."))
    assert talk.say("the price of AAPL") == "The stock price says 187.2."
    talk.say("the weather in Oslo?")
    assert talk.say("what did you say the price was?") == "The stock price says 187.2."
    assert talk.rounds == []
    assert talk.say("What was the weather again?") == "Sunny, 21 °C."
    assert talk.rounds == []


@pytest.mark.parametrize(
    ("tools", "said", "rounds"),
    [
        (
            SHOP,
            "Get the price of AAPL and then multiply it by 3",
            [[("stock_price", {"symbol": "AAPL"})], [("calculator", {"expression": "187.2 * 3"})]],
        ),
        (
            SHOP,
            "first the weather in Oslo, then the price of AAPL",
            [[("weather", {"city": "Oslo"})], [("stock_price", {"symbol": "AAPL"})]],
        ),
        (
            SHOP,
            "Look up the price of AAPL, then refund that amount for order-7",
            [[("stock_price", {"symbol": "AAPL"})], [("refund", {"order": "order-7", "amount": 187.2})]],
        ),
        (
            SHOP,
            "What's the price of AAPL? Use the result to compute the ROI when I invest 100 and it is returned.",
            [[("stock_price", {"symbol": "AAPL"})], [("calculate_roi", {"invested": 100, "returned": 187.2})]],
        ),
        (
            OFFICE,
            "Open a ticket called 'Printer', and then close it",
            [[("create_ticket", {"title": "Printer"})], [("close_ticket", {"ticket_id": "T-99"})]],
        ),
        (
            SHOP,
            "weather in Paris and in Rome, then my IP, after that the issues of PROJ",
            [
                [("weather", {"city": "Paris"}), ("weather", {"city": "Rome"})],
                [("get_ip", {})],
                [("jira_metrics", {"project": "PROJ"})],
            ],
        ),
    ],
)
def test_chains(tools: list[Json], said: str, rounds: list[list[tuple[str, Json]]]) -> None:
    found = {"stock_price": "187.2", "create_ticket": '{"id": "T-99", "state": "open"}'}
    talk = Talk(tools, lambda name, _: found.get(name, "fine"))
    talk.say(said)
    assert talk.rounds == rounds


def test_answers_are_sentences() -> None:
    talk = Talk(SHOP, answers(weather='{"temperature": 21, "sky": "clear"}', stock_price="187.2", get_ip='"1.2.3.4"'))
    assert talk.say("price of AAPL and weather in Oslo") == (
        "The stock price says 187.2.\nThe weather: temperature 21, sky clear."
    )
    assert talk.say("my ip") == "The get ip says 1.2.3.4."


def test_results_that_only_sound_like_errors() -> None:
    rules = "If anything is missing from the parcel, write to us. Goods must be in their box, which is required."
    talk = Talk(SHOP, answers(search_documents=rules))
    assert talk.say("search the handbook for missing goods") == rules
    assert len(talk.rounds) == 1


def test_numbers_from_earlier_results() -> None:
    talk = Talk(SHOP, answers(calculator="42", jira_metrics='{"open": 4, "closed": 10}'))
    talk.say("what is 6 * 7?")
    talk.say("divide that by 2")
    assert talk.rounds == [[("calculator", {"expression": "42 / 2"})]]
    talk.say("the metrics of PROJ")
    assert talk.say("how many are closed?") == "The jira metrics: open 4, closed 10."
    assert talk.rounds == []


def test_long_text_is_passed_on() -> None:
    talk = Talk(SHOP, answers(search_documents="The warranty lasts two years. " * 50))
    assert talk.say("how long is the warranty?") == ("The warranty lasts two years. " * 50).strip()


def test_results_of_the_model_context_protocol_are_unwrapped() -> None:
    talk = Talk(SHOP, answers(stock_price='{"type":"text","text":"187.2","annotations":null}'))
    assert talk.say("price of AAPL") == "The stock price says 187.2."


def strict(**types: type) -> Callable[[str, Json], str]:
    """A tool that takes exactly these arguments."""

    def answer(_: str, arguments: Json) -> str:
        problems = [f"unexpected field '{name}'" for name in arguments if name not in types]
        problems += [f"missing field '{name}'" for name in types if name not in arguments]
        problems += [
            f"'{name}' must be a {kind.__name__}"
            for name, kind in types.items()
            if name in arguments and not isinstance(arguments[name], kind)
        ]
        return "invalid arguments: " + "; ".join(problems) if problems else "done"

    return answer


def before(name: str, arguments: Json, content: str) -> list[Json]:
    """A call that somebody else made, and what came of it."""
    call = {"id": "call_a", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_a", "content": content},
    ]


@pytest.mark.parametrize(
    ("said", "name", "wrong", "content", "right"),
    [
        (
            "price of AAPL",
            "stock_price",
            {"ticker": "AAPL"},
            "invalid arguments: unexpected field ticker; missing symbol",
            {"symbol": "AAPL"},
        ),
        (
            "refund 30 dollars for order-7",
            "refund",
            {"order": "order-7", "amount": "30 dollars"},
            "1 validation error for refund\namount\n  Input should be a valid number [type=float_parsing]",
            {"order": "order-7", "amount": 30},
        ),
        (
            "refund 30 dollars for order-7",
            "refund",
            {"amount": 30},
            "1 validation error for refund\norder\n  Field required [type=missing]",
            {"order": "order-7", "amount": 30},
        ),
        (
            "weather in Rome",
            "weather",
            {"city": "Rome", "days": 3},
            "Validation error: days: Extra inputs are not permitted",
            {"city": "Rome"},
        ),
    ],
)
def test_wrong_arguments_are_repaired(said: str, name: str, wrong: Json, content: str, right: Json) -> None:
    assert calls_of(plan([user(said), *before(name, wrong, content)], SHOP)) == [(name, right)]


def test_a_tool_that_is_stricter_than_its_schema() -> None:
    loose = [tool("set_timer", "Start a kitchen timer.", minutes=NUMBER, label=maybe(STRING))]
    talk = Talk(loose, strict(minutes=str, label=str))
    assert talk.say("start a timer of 10 minutes with the label Eggs") == "The set timer says done."
    assert talk.rounds[-1] == [("set_timer", {"minutes": "10", "label": "Eggs"})]


def test_repairs_end() -> None:
    count = 0

    def never(_: str, __: Json) -> str:
        nonlocal count
        count += 1
        return f"invalid arguments: minutes must be a {'string' if count % 2 else 'number'}"

    talk = Talk(HOME, never)
    said = talk.say("start a timer of 10 minutes")
    assert talk.names == [["set_timer"]] * 3
    assert "set timer" in said
    assert "did not work" in said


def test_an_unknown_tool_is_replaced_or_told() -> None:
    def gone(name: str, _: Json) -> str:
        return "unknown tool: stock_price" if name == "stock_price" else "7"

    talk = Talk([*SHARES, tool("share_price", "The price of a share.", ticker=STRING)], gone)
    assert "7" in talk.say("what is the price of AAPL?")
    assert talk.names == [["stock_price"], ["share_price"]]
    talk = Talk([SHOP[1], SHOP[5]], gone)
    assert "stock price" in talk.say("what is the price of AAPL?")
    assert talk.names == [["stock_price"]]


@pytest.mark.parametrize(
    "failure", ["Error: timed out", "The service is unavailable", "payment declined", "request failed: 503", "refused"]
)
def test_a_failed_tool_is_not_called_again(failure: str) -> None:
    talk = Talk(SHOP, answers(weather=failure, stock_price="187.2"))
    said = talk.say("weather in Oslo and the price of AAPL")
    assert talk.names == [["weather", "stock_price"]]
    assert "The weather did not work" in said
    assert failure.removeprefix("Error: ") in said
    assert "187.2" in said


def test_what_needs_a_failed_result_is_not_called() -> None:
    talk = Talk(SHOP, answers(stock_price="Error: no connection"))
    said = talk.say("Get the price of AAPL and then multiply it by 3")
    assert talk.names == [["stock_price"]]
    assert "no connection" in said


def test_each_of_two_people_gets_their_own() -> None:
    tools = [tool("raise_salary", "Raise the salary of an employee.", employee=STRING, percent=NUMBER)]
    assert calls_of(plan([user("raise Ann's salary by 3 percent and Bob's by 4 percent")], tools)) == [
        ("raise_salary", {"employee": "Ann", "percent": 3}),
        ("raise_salary", {"employee": "Bob", "percent": 4}),
    ]


def test_after_a_handover_the_next_agents_tools_are_used() -> None:
    said = "Refund 30 dollars for order-7"
    hand = tool("transfer_to_cashier", "Handoff to the cashier agent to handle refunds.")
    assert calls_of(plan([user(said)], [hand])) == [("transfer_to_cashier", {})]
    handed = [user(said), *before("transfer_to_cashier", {}, '{"assistant": "cashier"}')]
    assert calls_of(plan(handed, SHOP)) == [("refund", {"order": "order-7", "amount": 30})]


@pytest.mark.parametrize("earlier", ["what is 12 * 3?", "the price of AAPL"])
def test_amounts_are_not_taken_from_elsewhere(earlier: str) -> None:
    talk = Talk(SHOP, lambda *_: "187.2")
    talk.say(earlier)
    assert re.search("refund I need the amount", talk.say("please refund order-12"))
    assert talk.rounds == []


def test_what_is_missing_is_asked_along_with_the_results() -> None:
    talk = Talk(SHOP, answers(weather="sunny"))
    assert talk.say("weather in Oslo and refund order-7") == (
        "The weather says sunny.\nFor the refund I need the amount: what should I take?"
    )


def test_ids_are_unique_and_always_the_same() -> None:
    first, second = Talk(SHOP), Talk(SHOP)
    for talk in (first, second):
        for said in ("weather in Paris and in Rome", "and in Oslo?", "the price of AAPL, then my ip"):
            talk.say(said)
    assert first.messages == second.messages
    ids = [c["id"] for m in first.messages for c in m.get("tool_calls") or []]
    assert len(ids) == len(set(ids)) == 5


def test_content_in_parts() -> None:
    parts = [{"type": "text", "text": "weather in"}, {"type": "text", "text": "Oslo"}]
    assert calls_of(plan([user(parts)], SHOP)) == [("weather", {"city": "Oslo"})]


ODD_TOOLS: list[Json] = [
    {"type": "function", "function": {"name": "bare"}},
    {"type": "function", "function": {"name": "x", "parameters": {}}},
    {"type": "function", "function": {"name": "y", "description": None, "parameters": {"type": "object"}}},
    tool("loop", "A tree of words.", node={"$ref": "#/$defs/Node"}),
    tool("listy", "Adds rows.", rows={"type": "array", "items": {"type": "object", "properties": {"n": INTEGER}}}),
    tool("one_of", "Either.", either={"anyOf": [STRING, NUMBER]}, const={"const": 3}, odd={"type": ["string", "null"]}),
]
ODD_TOOLS[3]["function"]["parameters"]["$defs"] = {
    "Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "word": STRING}, "required": ["next"]}
}


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "system", "content": "Be kind."}],
        [{"role": "assistant", "content": None}],
        [{"role": "developer", "content": "x"}, {"role": "critic", "content": "?"}],
        [{"role": "user"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": []}],
        [{"role": "tool", "tool_call_id": "none", "content": "lost"}, user("hi")],
        [user("weather in Oslo"), *before("weather", {}, "")],
        [user("weather in Oslo"), before("weather", {}, "")[0]],
        [user("weather in Oslo"), *before("nobody_knows", {"a": [1]}, "unknown tool")],
    ],
)
def test_odd_conversations(messages: list[Json]) -> None:
    for tools in ([], SHOP, ODD_TOOLS):
        assert plan(messages, tools)["role"] == "assistant"


def test_never_raises() -> None:
    chance = random.Random(1)
    said = " ".join(text for _, text, _ in TABLE).split()
    signs = [
        '"',
        "'",
        "(",
        ")",
        "-",
        "%",
        "$",
        "then",
        "and",
        "not",
        "—",
        "\n",
        "5",
        "{",
        "}",
        "[",
        "`",
        "é",
        "日本",
        "\\",
    ]
    for _ in range(400):
        text = " ".join(chance.choice([*said, *signs]) for _ in range(chance.randint(0, 25)))
        content = "".join(
            chance.choice(["error ", "missing ", "'city' ", "must be a ", "{", "5", " ", "[", "x"]) for _ in range(9)
        )
        for tools in (SHOP, OFFICE, HOME, PARCELS, ODD_TOOLS):
            message = plan([user(text)], tools)
            assert message["content"] or message["tool_calls"]
            assert plan([user(text), *before(chance.choice(["weather", "x"]), {"city": 1}, content)], tools)


@pytest.mark.parametrize(
    "text", ["word " * 20_000, "x" * 100_000, "1" * 100_000, "(" * 100_000, "and then " * 11_000, "A, " * 33_000]
)
def test_a_huge_text_is_no_trouble(text: str) -> None:
    assert plan([user(text)], SHOP)
    assert plan([user("weather in Oslo"), *before("weather", {"city": "Oslo"}, text)], SHOP)


def test_no_names_stand_in_the_planner() -> None:
    names = {t["function"]["name"] for tools, _, _ in TABLE for t in tools}
    cities_and_tickers = {
        value
        for _, _, want in TABLE
        if not isinstance(want, str)
        for _, arguments in want
        for name, value in arguments.items()
        if name in ("city", "symbol", "ticker", "project", "country", "artist", "language") and isinstance(value, str)
    }
    source = "\n".join(
        path.read_text() for path in sorted(Path(workshop_lib.agents.model.__file__).parent.glob("*.py"))
    ).lower()
    for name in sorted(names | cities_and_tickers):
        assert not re.search(rf"\b{re.escape(name.lower())}\b", source), name


def test_the_planner_stays_small() -> None:
    for name, limit in {"planner.py": 399, "arguments.py": 360}.items():
        assert len((Path(workshop_lib.agents.model.__file__).parent / name).read_text().splitlines()) <= limit


def test_an_argument_may_stand_in_an_object() -> None:
    inner = {"type": "object", "properties": {"ticker": STRING, "days": {"type": "integer"}}, "required": ["ticker"]}
    schema = {"$defs": {"Query": inner}, "properties": {"input": {"$ref": "#/$defs/Query"}}, "required": ["input"]}
    tools = [{"type": "function", "function": {"name": "stock_price", "description": "", "parameters": schema}}]
    (call,) = plan([user("What does ACME cost?")], tools)["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"input": {"ticker": "ACME"}}
    assert "need the ticker:" in plan([user("What does a stock cost?")], tools)["content"]


def test_a_schema_that_names_itself_is_no_trouble() -> None:
    node = {"type": "object", "properties": {"name": STRING, "next": {"$ref": "#/$defs/Node"}}, "required": ["name"]}
    schema = {"$defs": {"Node": node}, "properties": {"node": {"$ref": "#/$defs/Node"}}, "required": ["node"]}
    tools = [{"type": "function", "function": {"name": "find_node", "description": "", "parameters": schema}}]
    assert plan([user("Find the node named Alpha.")], tools)


def test_an_object_as_python_shows_it_is_unwrapped() -> None:
    done = before("weather", {"city": "Oslo"}, "Weather(city='Oslo', degrees=-4.0)")
    assert plan([user("What's the weather in Oslo?"), *done], SHOP)["content"] == "city Oslo, degrees -4."


# ---- what the notebooks show

CALCULATOR, WEATHER, SEARCH, REFUND = SHOP[:4]
DISPATCHER = [
    CALCULATOR,
    WEATHER,
    tool(
        "ask_specialist",
        "Ask the specialist, who knows the shop's handbook (returns, shipping, warranty) and can refund orders.",
        question=STRING,
    ),
]
SHIPPING = [
    [CALCULATOR, WEATHER, tool("shipping_cost", description, kilograms=NUMBER, country=STRING)]
    for description in ("", "What it costs to ship a parcel to a country.")
]
VOUCHERS = [CALCULATOR, WEATHER, tool("send_voucher", "Send a voucher to a customer.", customer=STRING, dollars=NUMBER)]


def once(name: str, arguments: str, content: str, at: int = 0) -> list[Json]:
    """A call that a model made, whatever its arguments, and what came of it."""
    call = {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"call_{at}", "content": content},
    ]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("42.0", "The calculator says 42."),
        ("36.5", "The calculator says 36.5."),
        ("It is 42.", "It is 42."),
        ("Oslo: snow, -4 °C", "Oslo: snow, -4 °C."),
        ("An answer of several words", "An answer of several words."),
    ],
)
def test_results_are_passed_on(result: str, said: str) -> None:
    assert Talk(SHOP, lambda *_: result).say("What is 6 * 7?") == said


def test_what_the_specialist_says_is_passed_on() -> None:
    text = "30.00 dollars were refunded for order-7. The handbook says: two weeks"
    assert Talk(DISPATCHER, lambda *_: text).say("Please refund $30 for order-7, it was broken.") == text + "."


def test_results_are_a_line_each() -> None:
    talk = Talk(DISPATCHER, answers(weather="Paris: rain, 12 °C", calculator="90.0"))
    said = talk.say("What's the weather in Paris, and what is 12 * 7.5?")
    assert talk.rounds == [[("weather", {"city": "Paris"}), ("calculator", {"expression": "12 * 7.5"})]]
    assert said == "Paris: rain, 12 °C.\nThe calculator says 90."


SPOILED = [
    ("weather", '{"city": ["?"]}', "Invalid arguments for weather. city: Input should be a valid string"),
    (
        "weather",
        '{"city": "Nairobi",',
        "Invalid arguments for weather. the JSON: Invalid JSON: EOF while parsing a value",
    ),
    (
        "weather",
        '{"city": "Nairobi", "colour": "blue"}',
        "Invalid arguments for weather. colour: Extra inputs are not permitted",
    ),
    ("weather_2", '{"city": "Nairobi"}', "Unknown tool 'weather_2'. There are: calculator, weather."),
    ("weather_2", '{"city": "Nairobi"}', "There is no tool weather_2."),
    ("weather", '{"city": 1}', "The arguments are not valid: city must be a string."),
    ("weather", "{}", "Missing argument: city"),
]


@pytest.mark.parametrize(("name", "arguments", "content"), SPOILED)
def test_mistakes_are_repaired(name: str, arguments: str, content: str) -> None:
    messages = [user("How is the weather in Nairobi?"), *once(name, arguments, content)]
    for _ in range(2):
        assert calls_of(plan(messages, DISPATCHER)) == [("weather", {"city": "Nairobi"})]
        messages += once(name, arguments, content, len(messages))
    message = plan(messages, DISPATCHER)
    assert calls_of(message) == []
    assert "did not work" in message["content"]
    messages[-2:] = once("weather", '{"city": "Nairobi"}', "Nairobi: sun, 26 °C", 9)
    assert plan(messages, DISPATCHER)["content"] == "Nairobi: sun, 26 °C."


def test_only_the_spoiled_call_is_made_again() -> None:
    said = "What's the weather in Paris, and what is 12 * 7.5?"
    spoiled = once("weather", '{"city": ["?"]}', "Invalid arguments for weather. city: Input should be a valid string")
    fine = once("calculator", '{"expression": "12 * 7.5"}', "90.0", 1)
    both = {**spoiled[0], "tool_calls": spoiled[0]["tool_calls"] + fine[0]["tool_calls"]}
    messages = [user(said), both, spoiled[1], fine[1]]
    assert calls_of(plan(messages, DISPATCHER)) == [("weather", {"city": "Paris"})]
    messages += once("weather", '{"city": "Paris"}', "Paris: rain, 12 °C", 2)
    assert plan(messages, DISPATCHER)["content"] == "The calculator says 90.\nParis: rain, 12 °C."


def test_a_spoiled_call_in_a_chain() -> None:
    messages = [
        user("Get the price of AAPL and then multiply it by 3"),
        *once("stock_price_2", '{"symbol": "AAPL"}', "Unknown tool 'stock_price_2'. There are: x."),
    ]
    assert calls_of(plan(messages, SHOP)) == [("stock_price", {"symbol": "AAPL"})]
    messages += once("stock_price", '{"symbol": "AAPL"}', "10", 1)
    assert calls_of(plan(messages, SHOP)) == [("calculator", {"expression": "10 * 3"})]
    messages += once("calculator", '{"expression": "10 * 3",', "Invalid arguments for calculator. the JSON: no", 2)
    assert calls_of(plan(messages, SHOP)) == [("calculator", {"expression": "10 * 3"})]
    messages += once("calculator", '{"expression": "10 * 3"}', "30.0", 3)
    assert plan(messages, SHOP)["content"] == "The stock price says 10.\nThe calculator says 30."


def test_a_failure_is_told() -> None:
    talk = Talk([REFUND, SEARCH], lambda *_: "Error: refund failed. The refund service answers 503.")
    said = talk.say("Please refund $30 for order-7, it was broken.")
    assert len(talk.rounds) == 1
    assert "fail" in said
    assert "503" in said
    for refusal in ("Error: refused by a person.", "Error: refused. A person decided against it."):
        talk = Talk([REFUND], lambda *_, refusal=refusal: refusal)
        assert "refused" in talk.say("Please refund $30 for order-7, it was broken.")
        assert len(talk.rounds) == 1


def test_a_refund() -> None:
    said = "Please refund $30 for order-7, it was broken."
    for tools in ([REFUND], [SEARCH, REFUND], SHOP):
        ((name, arguments),) = calls_of(plan([user(said)], tools))
        assert name == "refund"
        assert arguments.pop("reason", "it was broken") == "it was broken"
        assert arguments == {"order": "order-7", "amount": 30}


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("Please refund $30 for order-7, it was broken.", "refund $30 for order-7, it was broken"),
        ("What does the handbook say about the warranty?", "What does the handbook say about the warranty"),
        ("Can I return a lamp after two weeks?", "Can I return a lamp after two weeks"),
    ],
)
def test_the_specialist_is_asked(said: str, question: str) -> None:
    ((name, arguments),) = calls_of(plan([user(said)], DISPATCHER))
    assert name == "ask_specialist"
    assert arguments["question"].rstrip("?.") == question


def test_two_things_for_the_specialist() -> None:
    said = "Please refund $30 for order-7, and what does the handbook say about the warranty?"
    assert sorted(n for n, _ in calls_of(plan([user(said)], [SEARCH, REFUND]))) == ["refund", "search_documents"]
    assert {name for name, _ in calls_of(plan([user(said)], DISPATCHER))} == {"ask_specialist"}


def test_a_place_told_before_the_question() -> None:
    said = "I live in Lima. What's the weather there, and what is 15% of 80?"
    calls = dict(calls_of(plan([user(said)], DISPATCHER)))
    assert calls["weather"] == {"city": "Lima"}
    assert eval(calls["calculator"]["expression"]) == 12


@pytest.mark.parametrize("told", ["Hi, my name is Ann.", "My name is Ann, and I live in Oslo."])
def test_a_name_is_remembered(told: str) -> None:
    talk = Talk(DISPATCHER)
    assert "not told" in talk.say("What's my name?")
    talk.say(told)
    talk.say("My favourite colour is green.")
    assert "Ann" in talk.say("What's my name?")
    assert "green" in talk.say("What's my favourite colour?")
    assert talk.rounds == []


@pytest.mark.parametrize("tools", SHIPPING)
def test_a_tool_that_was_added(tools: list[Json]) -> None:
    talk = Talk(tools, lambda *_: "12.5")
    talk.say("How much is it to ship a parcel of 3 kg to Japan?")
    assert talk.rounds == [[("shipping_cost", {"kilograms": 3, "country": "Japan"})]]
    talk.say("And to ship a parcel of 10 kg to Norway?")
    assert talk.rounds == [[("shipping_cost", {"kilograms": 10, "country": "Norway"})]]


@pytest.mark.parametrize(
    ("tools", "said"),
    [(VOUCHERS, "Please send a voucher of 10 dollars to Ann."), (DISPATCHER, "What is 6 * 7?")],
)
def test_each_message_is_a_turn_of_its_own(tools: list[Json], said: str) -> None:
    talk = Talk(tools, lambda *_: "done")
    talk.say(said)
    first = talk.rounds
    assert len(first) == 1
    talk.say("thanks")
    talk.say(said)
    assert talk.rounds == first
    talk.say(said)
    assert talk.rounds == first


def test_a_voucher() -> None:
    said = "Please send a voucher of 10 dollars to Ann."
    assert calls_of(plan([user(said)], VOUCHERS)) == [("send_voucher", {"customer": "Ann", "dollars": 10})]


def test_another_question_is_no_follow_up() -> None:
    talk = Talk(DISPATCHER, lambda *_: "Oslo: snow, -4 °C")
    talk.say("How is the weather in Oslo?")
    assert NO_TOOL in talk.say("What is the capital of France?")
    assert talk.rounds == []

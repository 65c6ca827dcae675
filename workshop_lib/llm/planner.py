"""stub"""

import json, re


def plan(messages, tools):
    last = messages[-1]
    n = len(messages)
    if last["role"] == "tool":
        if re.search("invalid arguments|unknown tool", last["content"].lower()):
            user = [m for m in messages if m["role"] == "user"][-1]["content"]
            return plan([{"role": "user", "content": user}] * n, tools)
        return {"role": "assistant", "content": "Result: " + last["content"]}
    text = last["content"]
    names = {t["function"]["name"] for t in tools}

    def call(name, **a):
        return {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(a)}}
            ],
        }

    if "weather" in text and "weather" in names:
        return call("weather", city=text.split()[-1].strip("?"))
    m = re.search(r"[\d.]+( *[-+*/] *[\d.]+)+", text)
    if m and "calculator" in names:
        return call("calculator", expression=m[0])
    if "refund" in text and "refund" in names:
        return call("refund", order=re.search(r"order-\w+", text)[0], amount=float(re.search(r"\$(\d+)", text)[1]))
    if "ask_specialist" in names and re.search("refund|return|shipping", text):
        return call("ask_specialist", question=text)
    if "search_documents" in names:
        return call("search_documents", query=text)
    if "name?" in text:
        m = re.search(r"my name is (\w+)", " ".join(str(m["content"]) for m in messages))
        return (
            {"role": "assistant", "content": f"Your name is {m[1]}."}
            if m
            else {"role": "assistant", "content": "You did not tell me."}
        )
    return {"role": "assistant", "content": "Hello."}

"""tests/unit/config/json_schema.py    The JSON Schema against python's jsonschema: examples pass, broken ones do not.

Usage: json_schema.py SOURCE-DIRECTORY
"""
import copy
import glob
import json
import sys

import jsonschema
import yaml

root = sys.argv[1]
with open(f"{root}/config/driftd.schema.json") as f:
    schema = json.load(f)
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)


def load(path):
    with open(path, encoding="utf-8-sig") as f:
        return yaml.safe_load(f)


def put(*keys_and_value):
    *keys, last, value = keys_and_value

    def change(c):
        for k in keys:
            c = c[k]
        c[last] = value
    return change


def drop(*keys):
    def change(c):
        for k in keys[:-1]:
            c = c[k]
        del c[keys[-1]]
    return change


BROKEN = [
    drop("version"), drop("kafka"), drop("models"), drop("kafka", "group"),
    put("version", 2), put("version", "1"), put("kafak", {}), put("kafka", "queue", 16), put("kafka", "queue", "16 MB"),
    put("redis", "port", 70000), put("redis", "port", "6379"), put("redis", "password", "secret"),
    put("redis", "password", {"file": "a", "env": "b"}), put("state", "settle", 10), put("state", "settle", "10 s"),
    put("state", "settel", "10s"), put("owners", {}), put("owners", []), put("http", "listen", []),
    put("endpoints", "soc", "url", "ftp://x/"), put("endpoints", "soc", "type", "email"),
    put("endpoints", "soc", "allow_private", "yes"), put("playbooks", "look", "steps", []),
    put("playbooks", "look", "steps", 0, "do", "explode"), put("streams", "labels", "format", "xml"),
    put("streams", "labels", "time", {"unit": "ms"}), put("streams", "labels", "time", "a..b"),
    put("streams", "labels", "topic", "a b"), put("models", "phish-url", "window", "size", 5),
    put("models", "phish-url", "threshold", "high"), put("models", "phish-url", "segments", {"values": ["a"]}),
    put("models", "phish-url", "criticality", "extreme"), put("models", "phish-url", "rules", 0, "measure", "pis"),
    put("models", "phish-url", "rules", 0, "scope", {"feature": "*", "x": 1}),
    put("models", "phish-url", "rules", 0, "persist", {"k": 0}), put("models", "phish-url", "rules", 0, "p", 2),
    put("models", "phish-url", "features", "types", {"a": "number"}), drop("models", "phish-url", "owner"),
]

good = sorted(glob.glob(f"{root}/config/*.yaml")) + sorted(glob.glob(f"{root}/tests/data/config/valid/*/input.yaml"))
for path in good:
    for error in validator.iter_errors(load(path)):
        sys.exit(f"{path}: {list(error.absolute_path)}: {error.message}")
demo = load(f"{root}/config/demo.yaml")
for i, change in enumerate(BROKEN):
    broken = copy.deepcopy(demo)
    change(broken)
    if validator.is_valid(broken):
        sys.exit(f"broken example {i} passes")
if len(good) < 11:
    sys.exit(f"only {len(good)} good files")
print(f"{len(good)} good files pass, {len(BROKEN)} broken ones do not")

"""A Modbus master of a foreign make (pymodbus) that asks a sensor node everything it should know.

--port PORT, --framer socket|rtu (RTU frames over TCP), --unit UNIT. Prints one JSON object: for each question the
values, or "exception N".
"""
import argparse
import asyncio
import json

from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient


def told(answer):
    if answer.isError():
        return f"exception {answer.exception_code}"
    if hasattr(answer, "information"):
        return {number: text.decode() for number, text in answer.information.items()}
    if getattr(answer, "registers", None):
        return answer.registers
    if getattr(answer, "bits", None):
        return answer.bits
    if hasattr(answer, "message"):
        message = answer.message
        return message.hex() if isinstance(message, bytes) else message
    return "done"


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--framer", required=True)
    parser.add_argument("--unit", type=int, required=True)
    options = parser.parse_args()
    client = AsyncModbusTcpClient("127.0.0.1", port=options.port, framer=FramerType(options.framer), timeout=5)
    assert await client.connect(), "no connection"
    unit = {"slave": options.unit}
    questions = {
        "common": client.read_input_registers(0, count=3, **unit),
        "past the end": client.read_input_registers(0x2F, count=2, **unit),
        "settings": client.read_holding_registers(0, count=10, **unit),
        "states": client.read_discrete_inputs(0, count=3, **unit),
        "learning": client.read_coils(0, count=1, **unit),
        "learn": client.write_coil(0, True, **unit),
        "do not": client.write_coils(0, [False], **unit),
        "debounce": client.write_register(2, 450, **unit),
        "too short a debounce": client.write_register(2, 5, **unit),
        "both limits": client.write_registers(6, [200, 120], **unit),
        "crossed limits": client.write_registers(6, [100, 120], **unit),
        "settings after": client.read_holding_registers(0, count=10, **unit),
        "who": client.read_device_information(read_code=1, object_id=0, **unit),
        "echo": client.diag_query_data(b"\xab\xcd", **unit),
        "crc errors": client.diag_read_bus_comm_error_count(**unit),
        "mask write": client.mask_write_register(address=2, and_mask=0xFFFF, or_mask=0, **unit),
    }
    print(json.dumps({name: told(await question) for name, question in questions.items()}))
    client.close()


asyncio.run(main())

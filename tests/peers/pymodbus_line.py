"""A line of Modbus slaves of a foreign make (pymodbus), as bad as asked for. Register n of unit u holds 1000 u + n
until it is written; coils are off.

--tcp PORT (Modbus TCP), --rtu-tcp PORT (RTU frames over TCP) or --serial PATH (RTU, 9600 8N1).
--unit NUMBER:MANNER, once for each slave: good, wrong-unit (signs as another one), noise (bytes before its answer),
hole:ADDRESS (that register does not exist), slow:SECONDS (answers late; the line waits with it). Units that are not
named are dead: nobody answers for them.
"""
import argparse
import asyncio
import time

from pymodbus import FramerType
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.device import ModbusDeviceIdentification
from pymodbus.framer.rtu import FramerRTU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer


class Registers(ModbusSequentialDataBlock):
    """Registers that know their manner."""

    def __init__(self, unit: int, manner: str):
        # pymodbus numbers a block from 1 where the wire says 0
        super().__init__(1, [1000 * unit + n for n in range(256)])
        name, _, argument = manner.partition(":")
        self.hole = int(argument) if name == "hole" else None
        self.delay_s = float(argument) if name == "slow" else 0.0

    def validate(self, address, count=1):
        hole = self.hole is not None and address - 1 <= self.hole < address - 1 + count
        return not hole and super().validate(address, count)

    def getValues(self, address, count=1):
        # Blocking on purpose: a line has one conversation at a time.
        time.sleep(self.delay_s)
        return super().getValues(address, count)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tcp", type=int)
    parser.add_argument("--rtu-tcp", type=int)
    parser.add_argument("--serial")
    parser.add_argument("--unit", action="append", default=[])
    options = parser.parse_args()
    manners = {int(unit): manner for unit, _, manner in (text.partition(":") for text in options.unit)}

    def slave(unit: int, manner: str) -> ModbusSlaveContext:
        registers = Registers(unit, manner)
        return ModbusSlaveContext(hr=registers, ir=registers)

    def spoil(sending: bool, frame: bytes) -> bytes:
        if not sending or options.tcp:
            return frame
        manner = manners.get(frame[0], "good")
        if manner == "noise":
            return b"\x00\xff\x13" + frame
        if manner == "wrong-unit":
            body = bytes([frame[0] + 100]) + frame[1:-2]
            return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")
        return frame

    context = ModbusServerContext(slaves={u: slave(u, m) for u, m in manners.items()}, single=False)
    identity = ModbusDeviceIdentification(info_name={"VendorName": "ACME", "ProductCode": "story registers"})
    common = {"context": context, "identity": identity, "ignore_missing_slaves": True, "trace_packet": spoil}

    async def serve() -> None:
        if options.tcp:
            server = ModbusTcpServer(address=("127.0.0.1", options.tcp), **common)
        elif options.rtu_tcp:
            server = ModbusTcpServer(address=("127.0.0.1", options.rtu_tcp), framer=FramerType.RTU, **common)
        else:
            server = ModbusSerialServer(framer=FramerType.RTU, port=options.serial, baudrate=9600, **common)
        await server.serve_forever()

    asyncio.run(serve())


main()

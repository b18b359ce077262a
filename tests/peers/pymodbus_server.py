"""A Modbus server of a foreign make (pymodbus) whose discrete inputs a test can set while it runs.

--tcp PORT or --serial PATH (9600 8N1, RTU); --control PORT takes lines "address value" and answers "ok".
"""
import argparse
import asyncio

from pymodbus import FramerType
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import ModbusSerialServer, ModbusTcpServer


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tcp", type=int)
    parser.add_argument("--serial")
    parser.add_argument("--control", type=int, required=True)
    options = parser.parse_args()

    # pymodbus numbers a block from 1 where the wire says 0
    inputs = ModbusSequentialDataBlock(1, [False] * 64)
    device = ModbusSlaveContext(di=inputs, co=ModbusSequentialDataBlock(1, [False] * 64),
                                hr=ModbusSequentialDataBlock(1, [0] * 1024), ir=ModbusSequentialDataBlock(1, [0] * 1024))
    context = ModbusServerContext(slaves={1: device}, single=False)

    async def control(reader, writer):
        while line := await reader.readline():
            address, value = line.split()
            inputs.setValues(int(address) + 1, [value == b"1"])
            writer.write(b"ok")
            await writer.drain()
        writer.close()

    await asyncio.start_server(control, "127.0.0.1", options.control)
    if options.tcp:
        server = ModbusTcpServer(context, address=("127.0.0.1", options.tcp))
    else:
        server = ModbusSerialServer(context, framer=FramerType.RTU, port=options.serial, baudrate=9600)
    await server.serve_forever()


asyncio.run(main())

#!/usr/bin/env python3
"""A worker of beanstalkd without a library: delete and reserve in one write. Prints when it was given the job `end!`."""
import socket
import sys
import time

server = socket.socket(socket.AF_UNIX)
server.connect(sys.argv[1])
answers = server.makefile("rb", 65536)
server.sendall(b"reserve\r\n")
while True:
    _, job, size = answers.readline().split()
    body = answers.read(int(size) + 2)
    if body == b"end!\r\n":
        print(time.clock_gettime_ns(time.CLOCK_MONOTONIC), flush=True)
        server.sendall(b"delete %s\r\n" % job)
        answers.readline()
        break
    server.sendall(b"delete %s\r\nreserve\r\n" % job)
    answers.readline()  # DELETED

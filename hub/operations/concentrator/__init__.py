"""The LoRa concentrator of this very machine: its model, its forwarder (LoRa Basics Station), and its faults.

models      known concentrators as data, each with its source
detect      what sysfs shows: SPI, USB, HAT, board, network cards, serial radios
plan        choices of a person → the forwarder's files and the edits of the configuration
store       the plan on disk, which starts the forwarder anew
gpio        reset and power lines by the kernel's GPIO character device
launch      powers and resets the concentrator, then becomes the forwarder
log_faults  the forwarder's log → the fault that it means
watch       detection, service state and log, judged together
service     the calls of a running hub
"""

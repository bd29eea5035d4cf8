package vfio.shell;

import java.util.List;

/** All commands at a glance: for completion, and for those who call one with the wrong number of arguments. */
final class CommandTable {
    /** What may stand for an argument. */
    enum Argument {
        DEVICE,
        REGION,
        /** A function that can be pulled out. */
        PLUGGED,
        /** A function that can be put back. */
        UNPLUGGED,
        /** A function that can have virtual functions. */
        PHYSICAL,
        OTHER
    }

    /**
     * A command.
     *
     * @param scope of its name
     * @param name without its scope
     * @param usage its arguments, for people
     * @param description a few words
     * @param arguments what may stand at each position
     */
    record Command(String scope, String name, String usage, String description, List<Argument> arguments) {
        Command(String name, String usage, String description, List<Argument> arguments) {
            this("vfio", name, usage, description, arguments);
        }

        /** Its name with its scope. */
        String fullName() {
            return scope + ":" + name;
        }

        /** What is wrong when the arguments do not fit. */
        CommandException misused() {
            String call = fullName() + (usage.isEmpty() ? "" : " " + usage);
            return new CommandException("usage: " + call + " (help " + fullName() + " says more)");
        }
    }

    private static final List<Argument> NONE = List.of();
    private static final List<Argument> DEVICE = List.of(Argument.DEVICE);
    private static final List<Argument> REGISTER = List.of(Argument.DEVICE, Argument.REGION, Argument.OTHER);

    static final List<Command> COMMANDS = List.of(
            new Command("devices", "[DEVICE]", "list PCI functions, or show one", DEVICE),
            new Command("mediators", "", "list mediate drivers", NONE),
            new Command("qemu", "DEVICE", "arguments that attach a device to QEMU", DEVICE),
            new Command("explain", "DEVICE", "why a device is mediated as it is", DEVICE),
            new Command("rebind", "DEVICE [DRIVER]", "hand an open device to another driver", DEVICE),
            new Command("trap", "DEVICE [on|off|status]", "trap what a client may map for now", DEVICE),
            new Command("open", "DEVICE", "open a device from the shell", DEVICE),
            new Command("close", "DEVICE", "close a device that was opened from the shell", DEVICE),
            new Command("regions", "DEVICE", "list the regions of an open device", DEVICE),
            new Command("read", "DEVICE REGION OFFSET [WIDTH]", "read from a region of an open device", REGISTER),
            new Command("write", "DEVICE REGION OFFSET VALUE [WIDTH]", "write to a region of an open device", REGISTER),
            new Command("irqs", "DEVICE", "list the interrupts of an open device", DEVICE),
            new Command(
                    "migrate",
                    "[--as DEVICE] [--downtime MS] [--rounds N] [--rate MIB] [--wait] DEVICE TARGET",
                    "move an open device to another runtime",
                    DEVICE),
            new Command(
                    "migration",
                    "[DEVICE [settle|switch-over|cancel|resume]]",
                    "how devices that are moved stand",
                    DEVICE),
            new Command("save", "[--keep-running] DEVICE FILE", "write the state of an open device to a file", DEVICE),
            new Command("restore", "DEVICE FILE", "read the state of a device from a file", DEVICE),
            new Command("update", "[BUNDLE [FILE]]", "update a bundle, or say which can be now", NONE),
            new Command("bind", "[--dry-run] [--force] DEVICE", "give a function of this host to vfio-pci", DEVICE),
            new Command("unbind", "[--dry-run] [--force] DEVICE", "give a function back to its driver", DEVICE),
            new Command(
                    "vfs",
                    "DEVICE NUMBER",
                    "change how many virtual functions a function of this host has",
                    List.of(Argument.DEVICE, Argument.OTHER)),
            new Command("rescan", "", "look at all functions of this host again", NONE),
            new Command("version", "", "list bundles with their Git revisions", NONE),
            new Command("sim", "devices", "", "list the places of the simulated bus", NONE),
            new Command("sim", "remove", "[--only] DEVICE", "pull a function out", List.of(Argument.PLUGGED)),
            new Command("sim", "add", "DEVICE", "put a function back", List.of(Argument.UNPLUGGED)),
            new Command(
                    "sim",
                    "vfs",
                    "DEVICE NUMBER",
                    "change how many virtual functions there are",
                    List.of(Argument.PHYSICAL, Argument.OTHER)),
            new Command("sim", "ports", "", "list what is plugged into network cards", NONE),
            new Command("sim", "link", "DEVICE up|down", "take a link down or up", List.of(Argument.PHYSICAL)),
            new Command("sim", "reset", "DEVICE", "reset a virtual function by its physical function", DEVICE),
            new Command("sim", "written", "DEVICE [on|off]", "show which pages a device wrote", DEVICE));

    private CommandTable() {}

    /** The command of a name, with its scope or without; the first that bears it. */
    static Command named(String name) {
        return COMMANDS.stream()
                .filter(command ->
                        command.name().equals(name) || command.fullName().equals(name))
                .findFirst()
                .orElseThrow();
    }
}

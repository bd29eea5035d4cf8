package vfio.shell;

import java.nio.file.Path;

/**
 * What to tell QEMU (10.1 or later) to attach a device, quoted for a POSIX shell.
 *
 * @param device the argument that attaches the device
 * @param memory the arguments, once per guest, that make its memory reachable for the device
 */
record QemuArguments(String device, String memory) implements Rendered {
    private static final String MEMORY =
            "-m 1G -object memory-backend-memfd,id=mem,size=1G,share=on -machine memory-backend=mem";

    static QemuArguments of(Path socket) {
        String json = "{\"driver\":\"vfio-user-pci\",\"socket\":{\"path\":\"" + json(socket.toString())
                + "\",\"type\":\"unix\"}}";
        return new QemuArguments("-device '" + json.replace("'", "'\\''") + "'", MEMORY);
    }

    private static String json(String text) {
        StringBuilder quoted = new StringBuilder();
        text.chars().forEach(c -> {
            if (c == '"' || c == '\\') {
                quoted.append('\\').append((char) c);
            } else if (c < ' ') {
                quoted.append(String.format("\\u%04x", c));
            } else {
                quoted.append((char) c);
            }
        });
        return quoted.toString();
    }

    /** One command line in two lines. */
    @Override
    public String inspect() {
        return memory + " \\\n" + device;
    }

    @Override
    public String line() {
        return memory + " " + device;
    }

    @Override
    public String part() {
        return device;
    }
}

package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.awaitility.Awaitility;

/**
 * A virtual machine that runs the commands it is sent over its serial line.
 *
 * <p>It has 512 MiB of shared memory, unless its machine says otherwise, and root ports {@code rp0} to {@code rp2} for devices that can be plugged. Commands are those of
 * {@code guest/guest.sh} and of busybox.
 */
final class Guest implements AutoCloseable {
    private static final int ROOT_PORTS = 3;
    private static final int FIRST_SLOT = 4;

    private static final Duration BOOT = Duration.ofSeconds(90);
    private static final Duration COMMAND = Duration.ofSeconds(60);
    private static final Duration START = Duration.ofSeconds(20);
    private static final Duration KILL = Duration.ofSeconds(10);

    private static final int PLUG_SECONDS = 20;

    /** Takes commands, each behind a number, until the line ends, and answers with number, output and status. */
    private static final String SERVE = """
            dmesg -n 1
            behind() {
                for function in /sys/bus/pci/devices/$1/0000:??:00.0; do
                    [ ! -e "$function" ] || printf '%s\\n' "${function##*/}"
                done
            }
            plugged() { bar "$(behind "$1")" "$2"; }
            unplugged() { [ -z "$(behind "$1")" ]; }
            mark serving "$BOOT"
            while command=$(host_says); do
                output=$(eval "${command#* }" 2>&1)
                status=$?
                [ -z "$output" ] || printf '%s\\n' "$output" | sed 's/^/@| /'
                mark done "${command%% *}" "$status"
            done
            """;

    private static final String OUTPUT = "@| ";

    /**
     * What differs from machine to machine.
     *
     * @param megabytes of memory
     * @param properties of QEMU's machine besides, as {@code ,name=value}
     * @param arguments of the kernel besides
     */
    record Machine(int megabytes, String properties, String arguments) {
        static final Machine USUAL = new Machine(512, "", "");
    }

    private final Path sockets;
    private final Process qemu;
    private final SerialLine line;
    private int boots;
    private int commands;

    private Guest(Path sockets, Process qemu, SerialLine line) {
        this.sockets = sockets;
        this.qemu = qemu;
        this.line = line;
    }

    /**
     * Starts a guest; it takes commands when {@link #awaitBoot} returns.
     *
     * @param name of the folder in {@code target/guest} that is used for its files
     * @param devices further arguments for QEMU
     */
    static Guest start(GuestEnvironment environment, String name, List<String> devices) {
        return start(environment, name, Machine.USUAL, devices);
    }

    /**
     * Starts a guest on another machine.
     *
     * @param name of the folder in {@code target/guest} that is used for its files
     * @param devices further arguments for QEMU
     */
    static Guest start(GuestEnvironment environment, String name, Machine machine, List<String> devices) {
        Path folder = Places.emptyFolder("guest", name);
        Path initramfs = environment.initramfs(folder, SERVE);
        try {
            Path sockets = Files.createTempDirectory("qemu");
            List<String> command = new ArrayList<>(List.of(environment.qemu()));
            command.addAll(List.of("-accel", "tcg", "-smp", "1", "-cpu", "max"));
            command.addAll(List.of("-nodefaults", "-display", "none", "-monitor", "none", "-serial", "stdio"));
            String memory = machine.megabytes() + "M";
            command.addAll(List.of("-machine", "q35,memory-backend=m" + machine.properties(), "-m", memory));
            command.addAll(List.of("-object", "memory-backend-memfd,id=m,share=on,size=" + memory));
            command.addAll(List.of("-kernel", environment.kernel(), "-initrd", initramfs.toString()));
            command.addAll(List.of("-append", environment.kernelArguments() + machine.arguments()));
            command.addAll(List.of("-qmp", "unix:" + qmp(sockets) + ",server=on,wait=off"));
            for (int port = 0; port < ROOT_PORTS; port++) {
                command.add("-device");
                command.add("pcie-root-port,id=rp%d,bus=pcie.0,addr=0%d.0,slot=%d,chassis=%d,io-reserve=4K"
                        .formatted(port, FIRST_SLOT + port, port + 1, port + 1));
            }
            command.addAll(devices);
            Process qemu = new ProcessBuilder(command).redirectErrorStream(true).start();
            return new Guest(sockets, qemu, new SerialLine(qemu, folder.resolve("serial.txt")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    long pid() {
        return qemu.pid();
    }

    /** Runs a command that must succeed; returns the lines it printed. */
    List<String> run(String command) {
        return run(command, COMMAND);
    }

    /** Runs a command that must succeed, and may take longer; returns the lines it printed. */
    List<String> run(String command, Duration limit) {
        List<String> answer = line.takeUntil("done " + send(command), limit);
        List<String> output = answer.stream()
                .filter(text -> text.startsWith(OUTPUT))
                .map(text -> text.substring(OUTPUT.length()))
                .toList();
        assertThat(answer.get(answer.size() - 1))
                .as("status of '%s' in the guest, which said %s", command, output)
                .isEqualTo("0");
        return output;
    }

    /** Runs a command that prints one line. */
    String ask(String command) {
        List<String> output = run(command);
        assertThat(output).as("output of '%s' in the guest", command).hasSize(1);
        return output.get(0);
    }

    /** The address of the function at a root port. */
    String functionAt(int port) {
        return ask("behind " + address(port));
    }

    /** Waits until there is a function at a root port and one of its memory BARs has an address. */
    String awaitPlugged(int port, int bar) {
        run("await %d plugged %s %d".formatted(PLUG_SECONDS, address(port), bar));
        return functionAt(port);
    }

    /** Waits until there is no function at a root port. */
    void awaitUnplugged(int port) {
        run("await %d unplugged %s".formatted(PLUG_SECONDS, address(port)));
    }

    /** Reads 4 bytes of a memory BAR through the guest's CPU. */
    long peek(String address, int bar, long offset) {
        return Long.decode(ask("peek %s %d 0x%x".formatted(address, bar, offset)));
    }

    /** Writes 4 bytes of a memory BAR through the guest's CPU. */
    void poke(String address, int bar, long offset, long value) {
        run("poke %s %d 0x%x 0x%x".formatted(address, bar, offset, value));
    }

    /** Resets the machine from inside and waits until it takes commands again. */
    void reboot() {
        send("reboot_guest");
        awaitBoot();
    }

    /** Opens the control channel; QEMU has one at a time. */
    MachineProtocol control() {
        try {
            return MachineProtocol.connect(qmp(sockets));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Ends QEMU as SIGKILL does. */
    void kill() {
        qemu.destroyForcibly();
        assertThat(Command.endsWithin(KILL, qemu)).as("QEMU is gone").isTrue();
    }

    /** Waits until QEMU has ended by itself. */
    void awaitEnd() {
        assertThat(Command.endsWithin(START, qemu)).as("QEMU has ended").isTrue();
        line.awaitEnd(KILL);
    }

    @Override
    public void close() {
        kill();
        line.awaitEnd(KILL);
        Places.remove(sockets);
    }

    /** What came over the serial line, QEMU's own messages included. */
    @Override
    public String toString() {
        return "guest " + pid() + "\n" + line.transcript();
    }

    /** Waits until the guest takes commands for the first time. */
    void awaitBoot() {
        boots++;
        List<String> said = line.takeUntil("serving", BOOT);
        assertThat(said.get(said.size() - 1)).as("number of the boot").isEqualTo(Integer.toString(boots));
        Awaitility.await("QMP socket").atMost(START).until(() -> Files.exists(qmp(sockets)));
    }

    /** Sends a command and returns its number, so that the answer to one that took too long is not taken for another's. */
    private int send(String command) {
        line.send(++commands + " " + command);
        return commands;
    }

    private static String address(int port) {
        return "0000:00:0%d.0".formatted(FIRST_SLOT + port);
    }

    private static Path qmp(Path sockets) {
        return sockets.resolve("qmp.sock");
    }
}

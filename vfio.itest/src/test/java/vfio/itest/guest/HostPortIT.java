package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.iavf.DriverOptions;
import vfio.iavf.MacAddress;
import vfio.iavf.QueueSettings;

/** A virtual function and the host talk to each other through a TAP interface, with sockets of the host's kernel. */
@Timeout(120)
class HostPortIT {
    private static final String TAP = "vfioitest0";
    private static final String FUNCTION = "0000:03:02.0";
    private static final String BUS = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.itest.bus",
              ":configurator:version": "1.0.0",
              "vfio.sim.xl710~pf0": { "address": "0000:03:00.0", "vfs": 2, "host.port": "%s" }
            }
            """.formatted(TAP);

    /** Of the network for benchmarks, RFC 2544. */
    private static final String HOST = "198.18.77.1";

    private static final String GUEST = "198.18.77.2";

    /** The echo protocol, RFC 862. */
    private static final int ECHO = 7;

    private static final int DATAGRAMS = 200;
    private static final int LONGEST = 1500 - Packet.IPV4_LENGTH - Packet.UDP_LENGTH;
    private static final int SOURCE_ADDRESS = Packet.MAC_LENGTH + 12;
    private static final int SOURCE_PORT = Packet.MAC_LENGTH + Packet.IPV4_LENGTH;

    @Test
    void datagramsOfTheHostComeBackAsTheyWere() throws IOException, InterruptedException {
        Path etc = Places.emptyFolder("etc", "HostPortIT");
        Files.writeString(etc.resolve("bus.json"), BUS);
        try (RuntimeProcess runtime = RuntimeProcess.start("HostPortIT", etc)) {
            assumeTrue(isThere(), "no TAP interfaces here: " + runtime.errors());
            assumeTrue(isRunnable("ip"), "no command ip here (package iproute2)");
            try (Station station =
                    Station.open(runtime.socket(FUNCTION), DriverOptions.DEFAULT, QueueSettings.DEFAULT)) {
                ip("address", "add", HOST + "/30", "dev", TAP);
                ip("link", "set", TAP, "up");
                ip("neighbour", "replace", GUEST, "lladdr", station.mac().toString(), "dev", TAP);
                try (DatagramSocket socket = new DatagramSocket(new InetSocketAddress(HOST, 0))) {
                    socket.setSoTimeout(20_000);
                    for (int number = 0; number < DATAGRAMS; number++) {
                        exchange(socket, station, content(number));
                    }
                }
            }
            assertThat(runtime.errors()).isEmpty();
        }
        assertThat(isThere()).as("what the runtime made is gone with it").isFalse();
    }

    private static void exchange(DatagramSocket socket, Station station, byte... content) throws IOException {
        socket.send(new DatagramPacket(content, content.length, new InetSocketAddress(GUEST, ECHO)));
        byte[] request = station.receiveOne();
        assertThat(Packet.isSound(Arrays.copyOf(request, Packet.payloadOffset(request) + content.length)))
                .as("checksums of the host")
                .isTrue();
        station.send(echo(request));
        DatagramPacket answer = new DatagramPacket(new byte[LONGEST + 1], LONGEST + 1);
        socket.receive(answer);
        assertThat(Arrays.copyOf(answer.getData(), answer.getLength())).isEqualTo(content);
    }

    /** The frame with source and destination exchanged, which changes no checksum. */
    private static byte[] echo(byte... request) {
        ByteBuffer frame = ByteBuffer.wrap(request.clone());
        swap(frame, 0, MacAddress.SIZE);
        swap(frame, SOURCE_ADDRESS, Integer.BYTES);
        swap(frame, SOURCE_PORT, Short.BYTES);
        return frame.array();
    }

    private static void swap(ByteBuffer frame, int at, int length) {
        byte[] first = new byte[length];
        byte[] second = new byte[length];
        frame.get(at, first).get(at + length, second);
        frame.put(at, second).put(at + length, first);
    }

    private static byte[] content(int number) {
        byte[] content = new byte[number * 37 % (LONGEST + 1)];
        Arrays.fill(content, (byte) number);
        return content;
    }

    private static boolean isThere() {
        return Files.exists(Path.of("/sys/class/net", TAP));
    }

    private static boolean isRunnable(String command) {
        return List.of(System.getenv("PATH").split(":", -1)).stream()
                .anyMatch(folder -> Files.isExecutable(Path.of(folder, command)));
    }

    private static void ip(String... arguments) throws IOException, InterruptedException {
        ProcessBuilder command = new ProcessBuilder("ip");
        command.command().addAll(List.of(arguments));
        Process process = command.redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as("%s: %s", command.command(), said).isZero();
    }
}

package vfio.itest.guest;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import vfio.linux.EventFd;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.VfioUserClient;

/**
 * Runs inside a guest, beside our distribution, and uses the guest's devices as a VMM would: through sockets of the runtime and
 * nothing else. Says {@code @@ pass NAME} for each thing that is as it should be; ends at the first that is not.
 *
 * <p>Plain Java, since there are no test libraries in the guest.
 */
final class HostDevicesProgram {
    private static final Path PCI = Path.of("/sys/bus/pci/devices");
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int EDU_IDENTIFICATION = 0x00;
    private static final int EDU_LIVENESS = 0x04;
    private static final int EDU_FACTORIAL = 0x08;
    private static final int EDU_STATUS = 0x20;
    private static final int EDU_INTERRUPT_STATUS = 0x24;
    private static final int EDU_INTERRUPT_RAISE = 0x60;
    private static final int EDU_INTERRUPT_ACKNOWLEDGE = 0x64;
    private static final long EDU_BUFFER = 0x40000;

    /** Of the status; only those that our runtime simulates have it. */
    private static final int EDU_DMA_FAILED = 0x100;

    private static final int EDU_DMA_RUN = 1;
    private static final int EDU_DMA_TO_MEMORY = 2;
    private static final int EDU_DMA_INTERRUPT = 4;

    private final Path sockets;
    private final String vf;
    private final String edu;
    private final String served;
    private final String way;

    private HostDevicesProgram(Path sockets, String vf, String edu, String served, String way) {
        this.sockets = sockets;
        this.vf = vf;
        this.edu = edu;
        this.served = served;
        this.way = way;
    }

    /**
     * Arguments: the folder of the sockets, the addresses of a virtual function, of the edu and of one that a runtime outside
     * serves, a driver for the virtual function and where to deploy it, and by which way devices are to be opened.
     */
    public static void main(String[] arguments) throws Exception {
        HostDevicesProgram program =
                new HostDevicesProgram(Path.of(arguments[0]), arguments[1], arguments[2], arguments[3], arguments[6]);
        program.bind();
        program.virtualFunction();
        program.occupied();
        program.mediated(Path.of(arguments[4]), Path.of(arguments[5]));
        program.edu();
        program.served();
        program.unbind();
        program.remove();
        say("end", "");
        System.exit(0);
    }

    private void bind() throws Exception {
        await("the runtime answers", () -> Files.exists(sockets.resolve("admin.sock")));
        require("an unbound device says what to do", exec("vfio:devices " + vf).contains("run vfio:bind " + vf));
        require(
                "a dry run writes nothing",
                exec("vfio:bind --dry-run " + vf).contains("driver_override") && !isBound(vf));
        exec("vfio:bind " + vf);
        require("the virtual function is bound", isBound(vf));
        await("it is opened through " + way, () -> exec("vfio:devices " + vf).contains(way));
        exec("vfio:bind " + edu);
        require("the edu is bound", isBound(edu));
        require("a bridge is refused", exec("vfio:bind 0000:00:00.0").contains("bridge"));
    }

    private void virtualFunction() throws Exception {
        try (VfioUserClient client = connect(vf)) {
            require("the way is explained", exec("vfio:explain " + vf).contains("The kernel opens it through " + way));
            byte[] seen = client.read(PciRegion.CONFIG, 0, PciConfig.SIZE);
            byte[] sysfs = Files.readAllBytes(PCI.resolve(vf).resolve("config"));
            // The kernel shows what a virtual function's registers leave to its physical function, and the command as
            // it is kept.
            require(
                    "class, revision and subsystem are those of sysfs",
                    Arrays.equals(seen, 0x08, 0x0c, sysfs, 0x08, 0x0c)
                            && Arrays.equals(seen, 0x2c, 0x30, sysfs, 0x2c, 0x30));
            require(
                    "ids are those of sysfs",
                    hex(PCI.resolve(vf).resolve("vendor")) == client.readShort(PciRegion.CONFIG, PciConfig.VENDOR_ID)
                            && hex(PCI.resolve(vf).resolve("device"))
                                    == client.readShort(PciRegion.CONFIG, PciConfig.DEVICE_ID));
            client.writeShort(PciRegion.CONFIG, PciConfig.COMMAND, PciConfig.COMMAND_MEMORY | PciConfig.COMMAND_MASTER);
            var bar = client.regionInfo(PciRegion.BAR0);
            say("bar0", bar.toString());
            require("BAR0 can be mapped", !bar.mappableAreas().isEmpty());
            try (MappedMemory mapped =
                    client.map(PciRegion.BAR0, bar.mappableAreas().get(0))) {
                int status = mapped.getInt(0x8);
                require(
                        "a register reads the same mapped and by message",
                        status == client.readInt(PciRegion.BAR0, 0x8));
                say("register", "0x" + Integer.toHexString(status));
                registerReads(client, mapped);
            }
            int vectors = client.irqInfo(PciInterrupt.MSIX).count();
            require("there are MSI-X vectors", vectors > 0);
            EventFd[] events = new EventFd[vectors];
            for (int vector = 0; vector < vectors; vector++) {
                events[vector] = EventFd.create();
            }
            client.setIrqs(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, Arrays.asList(events));
            client.setIrqs(PciInterrupt.MSIX, InterruptAction.TRIGGER, vectors - 1, 1);
            require("the kernel fires the client's eventfd", events[vectors - 1].await(SOON));
            require("and no other", events[0].drain() == 0);
            client.disableIrqs(PciInterrupt.MSIX);
            client.reset();
            require("it works after a reset", client.readShort(PciRegion.CONFIG, 0) != 0);
            for (EventFd event : events) {
                event.close();
            }
        }
    }

    /** What somebody else has cannot be had, and it is said why. */
    private void occupied() throws Exception {
        Path group = PCI.resolve(vf).resolve("iommu_group").toRealPath().getFileName();
        await("the device is free", () -> !exec("vfio:devices").contains("vfio-user"));
        RandomAccessFile other = new RandomAccessFile("/dev/vfio/" + group, "rw");
        require("a group in use is told", exec("vfio:open " + vf).contains("another program has"));
        other.close();

        VfioUserClient client = connect(vf);
        MappedMemory kept = client.map(
                PciRegion.BAR0,
                client.regionInfo(PciRegion.BAR0).mappableAreas().get(0));
        client.close();
        await("the device is free", () -> !exec("vfio:devices").contains("vfio-user"));
        require("a descriptor in use is told", exec("vfio:open " + vf).contains("still has a descriptor"));
        kept.close();
    }

    /** A driver comes, which traps the first page of the virtual function and hears of its interrupts. */
    private void mediated(Path driver, Path deploy) throws Exception {
        Files.copy(driver, deploy.resolve("counting.jar"));
        await("the driver", () -> exec("vfio:mediators").contains("mediate.counting"));
        try (VfioUserClient client = connect(vf)) {
            client.writeShort(PciRegion.CONFIG, PciConfig.COMMAND, PciConfig.COMMAND_MEMORY | PciConfig.COMMAND_MASTER);
            var bar = client.regionInfo(PciRegion.BAR0);
            require("a driver traps a page of a real device", bar.areas().get(0).offset() == 4096);
            long status = client.readInt(PciRegion.BAR0, 0x8);
            try (MappedMemory rest = client.map(PciRegion.BAR0, bar.areas().get(0))) {
                require("the other pages are mapped", rest.size() == bar.size() - 4096);
            }
            require("the device answers", status == client.readInt(PciRegion.BAR0, 0x8));
            try (EventFd event = client.enableIrq(PciInterrupt.MSIX, 0)) {
                client.setIrqs(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, 1);
                require("an interrupt takes the way through the driver", event.await(SOON));
            }
            String detail = exec("vfio:devices " + vf);
            require("the driver has counted", detail.contains("reads=2") && detail.contains("interrupts=1"));
        }
    }

    /** How long a register takes, mapped and by message. */
    private static void registerReads(VfioUserClient client, MappedMemory mapped) {
        int rounds = 2_000;
        for (int pass = 0; pass < 2; pass++) {
            long start = System.nanoTime();
            for (int round = 0; round < rounds; round++) {
                mapped.getInt(0x8);
            }
            long direct = System.nanoTime() - start;
            start = System.nanoTime();
            for (int round = 0; round < rounds; round++) {
                client.readInt(PciRegion.BAR0, 0x8);
            }
            long message = System.nanoTime() - start;
            say("reads", "mapped " + direct / rounds + " ns, by message " + message / rounds + " ns");
        }
    }

    private void edu() throws Exception {
        try (VfioUserClient client = connect(edu);
                MappedMemory memory = MappedMemory.allocate("client memory", 1 << 20)) {
            client.writeShort(PciRegion.CONFIG, PciConfig.COMMAND, PciConfig.COMMAND_MEMORY | PciConfig.COMMAND_MASTER);
            require("a device without a reset says so", refusal(client::reset).startsWith("EOPNOTSUPP"));
            try (MappedMemory mapped = client.map(PciRegion.BAR0)) {
                mapped.putInt(EDU_FACTORIAL, 12);
                await("factorial", () -> (mapped.getInt(EDU_STATUS) & 1) == 0);
                require("factorial by mapped registers", mapped.getInt(EDU_FACTORIAL) == 479_001_600);
            }
            client.writeInt(PciRegion.BAR0, EDU_FACTORIAL, 5);
            await("factorial", () -> (client.readInt(PciRegion.BAR0, EDU_STATUS) & 1) == 0);
            require("factorial by messages", client.readInt(PciRegion.BAR0, EDU_FACTORIAL) == 120);

            // The device has 28 address lines.
            long iova = 0x100_0000;
            dmaBothWays(client, memory, iova);
            require(
                    "the MSI window is refused",
                    refusal(() -> client.dmaMap(0xfee0_0000L, memory, true, true))
                            .contains("EINVAL"));
            require(
                    "an overlap is refused",
                    refusal(() -> client.dmaMap(iova + 0x1000, memory, true, true))
                            .contains("EEXIST"));
            client.dmaUnmap(iova, memory.size());
            manyMaps(client, memory);
        }
    }

    /**
     * A simulated device of a runtime outside this machine, which came here through the machine's VMM: our server, QEMU's
     * client, the kernel's driver, our host devices, our server and our client, one upon the other.
     */
    private void served() throws Exception {
        exec("vfio:bind " + served);
        require("the served edu is bound", isBound(served));
        try (VfioUserClient client = connect(served);
                MappedMemory memory = MappedMemory.allocate("client memory", 16 << 20);
                MappedMemory other = MappedMemory.allocate("other memory", 16 << 20)) {
            client.writeShort(PciRegion.CONFIG, PciConfig.COMMAND, PciConfig.COMMAND_MEMORY | PciConfig.COMMAND_MASTER);
            try (MappedMemory mapped = client.map(PciRegion.BAR0)) {
                require("the served edu is one", mapped.getInt(EDU_IDENTIFICATION) == 0x0100_00ed);
                mapped.putInt(EDU_LIVENESS, 0x1234_5678);
                require("its registers are alive", client.readInt(PciRegion.BAR0, EDU_LIVENESS) == ~0x1234_5678);
                mapped.putInt(EDU_FACTORIAL, 10);
                require("it computes", mapped.getInt(EDU_FACTORIAL) == 3_628_800);
                mapped.putInt(EDU_BUFFER, 0x2468);
                require("its memory is one", client.readInt(PciRegion.BAR0, EDU_BUFFER) == 0x2468);
            }
            try (EventFd interrupt = client.enableIrq(PciInterrupt.MSI, 0)) {
                client.writeInt(PciRegion.BAR0, EDU_INTERRUPT_RAISE, 0x10);
                require("its MSI arrives", interrupt.await(SOON));
                require("and says why", client.readInt(PciRegion.BAR0, EDU_INTERRUPT_STATUS) == 0x10);
                client.writeInt(PciRegion.BAR0, EDU_INTERRUPT_ACKNOWLEDGE, 0x10);
            }
            client.disableIrqs(PciInterrupt.MSI);
            long iova = 0x1_0000_0000L;
            dmaBothWays(client, memory, iova);
            client.dmaUnmap(iova, memory.size());
            dma(client, iova + memory.size() / 2, EDU_BUFFER, 0);
            awaitDma(client);
            require(
                    "what is unmapped is out of reach",
                    (client.readInt(PciRegion.BAR0, EDU_STATUS) & EDU_DMA_FAILED) != 0);
            dmaBothWays(client, other, iova);
            client.dmaUnmap(iova, other.size());
        }
    }

    /** Maps client memory, has the device fetch from it and store to it, and take the MSI of both. */
    private static void dmaBothWays(VfioUserClient client, MappedMemory memory, long iova) throws Exception {
        int source = (int) memory.size() / 2;
        int destination = source + 0x1000;
        client.dmaMap(iova, memory, true, true);
        try (EventFd interrupt = client.enableIrq(PciInterrupt.MSI, 0)) {
            memory.put(source, ByteBuffer.wrap("from the client".getBytes(StandardCharsets.US_ASCII)));
            memory.put(destination, ByteBuffer.allocate(15));
            dma(client, iova + source, EDU_BUFFER, EDU_DMA_INTERRUPT);
            require("the device's MSI arrives at the client's eventfd", interrupt.await(SOON));
            interrupt.drain();
            awaitDma(client);
            dma(client, EDU_BUFFER, iova + destination, EDU_DMA_TO_MEMORY | EDU_DMA_INTERRUPT);
            require("and again", interrupt.await(SOON));
            awaitDma(client);
        }
        client.disableIrqs(PciInterrupt.MSI);
        byte[] arrived = new byte[15];
        memory.get(destination, ByteBuffer.wrap(arrived));
        require(
                "DMA both ways through the IOMMU",
                new String(arrived, StandardCharsets.US_ASCII).equals("from the client"));
    }

    /** Thousands of small maps, as a guest's IOMMU makes them. */
    private static void manyMaps(VfioUserClient client, MappedMemory memory) throws Exception {
        int count = 2_000;
        try (MappedMemory page = MappedMemory.allocate("page", 4096)) {
            long start = System.nanoTime();
            for (int number = 0; number < count; number++) {
                client.dmaMap(0x4000_0000L + number * 4096L, page, true, false);
            }
            for (int number = 0; number < count; number++) {
                client.dmaUnmap(0x4000_0000L + number * 4096L, 4096);
            }
            say("maps", count + " in " + (System.nanoTime() - start) / 1_000_000 + " ms");
        }
        require(
                "the device can be mapped to again",
                refusal(() -> client.dmaMap(0, memory, true, true)).isEmpty());
    }

    private void unbind() throws Exception {
        try (VfioUserClient client = connect(vf)) {
            require("a device in use stays bound", exec("vfio:unbind " + vf).contains("in use") && isBound(vf));
            require("it is there", client.readShort(PciRegion.CONFIG, 0) != 0);
        }
        await("the device is free", () -> !exec("vfio:devices").contains("vfio-user"));
        exec("vfio:unbind " + vf);
        require("its driver is back", driver(vf).equals("igbvf"));
        exec("vfio:bind " + vf);
        require("it is bound again", isBound(vf));
    }

    /** The kernel takes devices away while clients have them: one that listens and gives its device back, one that does not. */
    private void remove() throws Exception {
        VfioUserClient client = connect(vf);
        EventFd request = client.enableIrq(PciInterrupt.REQ, 0);
        CountDownLatch gone = write(PCI.resolve(vf).resolve("physfn/sriov_numvfs"), "0");
        require("the client is asked for its device", request.await(SOON));
        client.close();
        require("the kernel gets it", gone.await(SOON.toSeconds(), TimeUnit.SECONDS));
        await("it is not listed", () -> !exec("vfio:devices").contains(vf));
        require("the runtime lives", exec("vfio:devices").contains(edu));
        request.close();

        VfioUserClient deaf = connect(edu);
        require(
                "a device is taken from a client that does not listen",
                write(PCI.resolve(edu).resolve("remove"), "1").await(SOON.toSeconds(), TimeUnit.SECONDS));
        require(
                "its connection has ended",
                !refusal(() -> deaf.readInt(PciRegion.BAR0, 0)).isEmpty());
        deaf.close();
        await("it is not listed", () -> !exec("vfio:devices").contains(edu));
    }

    /** Writes to a file of the kernel's, which takes as long as it takes. */
    private static CountDownLatch write(Path file, String text) {
        CountDownLatch written = new CountDownLatch(1);
        Thread writer = new Thread(() -> {
            try {
                Files.writeString(file, text);
                written.countDown();
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        });
        writer.setDaemon(true);
        writer.start();
        return written;
    }

    private VfioUserClient connect(String address) throws Exception {
        Path socket = sockets.resolve(address + ".sock");
        await("the socket of " + address, () -> Files.exists(socket));
        VfioUserClient client = VfioUserClient.connect(socket);
        say("open", address);
        return client;
    }

    private static void dma(VfioUserClient client, long source, long destination, int command) {
        client.writeLong(PciRegion.BAR0, 0x80, source);
        client.writeLong(PciRegion.BAR0, 0x88, destination);
        client.writeLong(PciRegion.BAR0, 0x90, 15);
        client.writeLong(PciRegion.BAR0, 0x98, EDU_DMA_RUN | command);
    }

    private static void awaitDma(VfioUserClient client) throws Exception {
        await("DMA", () -> (client.readLong(PciRegion.BAR0, 0x98) & EDU_DMA_RUN) == 0);
    }

    /** What an administrator reads after a command, whether it worked or not. */
    private String exec(String command) {
        StringBuilder text = new StringBuilder();
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(sockets.resolve("admin.sock")));
            channel.write(ByteBuffer.wrap(command.getBytes(StandardCharsets.UTF_8)));
            channel.shutdownOutput();
            DataInputStream in = new DataInputStream(Channels.newInputStream(channel));
            while (true) {
                int type = in.read();
                byte[] payload = in.readNBytes(in.readInt());
                if (type == 'x') {
                    break;
                }
                text.append(new String(payload, StandardCharsets.UTF_8));
            }
        } catch (IOException e) {
            throw new IllegalStateException(command, e);
        }
        if (!text.isEmpty()) {
            System.out.println("> " + command + "\n" + text);
        }
        return text.toString();
    }

    private static String refusal(Runnable call) {
        try {
            call.run();
            return "";
        } catch (VfioException e) {
            return e.errno() + " " + e.getMessage();
        }
    }

    private static boolean isBound(String address) {
        return driver(address).equals("vfio-pci");
    }

    private static String driver(String address) {
        try {
            return Files.readSymbolicLink(PCI.resolve(address).resolve("driver"))
                    .getFileName()
                    .toString();
        } catch (IOException e) {
            return "";
        }
    }

    private static int hex(Path file) throws IOException {
        return Integer.decode(Files.readString(file).strip());
    }

    private static void await(String what, BooleanSupplier condition) throws Exception {
        long deadline = System.nanoTime() + SOON.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                fail("not within " + SOON.toSeconds() + " s: " + what);
            }
            Thread.sleep(10);
        }
    }

    private static void require(String what, boolean held) {
        if (!held) {
            fail(what);
        }
        say("pass", what);
    }

    private static void fail(String what) {
        say("fail", what);
        System.exit(1);
    }

    private static void say(String mark, String rest) {
        PrintStream out = System.out;
        out.println("\n@@ " + mark + " " + rest);
        out.flush();
    }
}

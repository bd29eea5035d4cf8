package mediate.i40e;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;
import vfio.pci.api.testing.FakeDevice;
import vfio.pci.api.testing.MediatedDevice;
import vfio.pci.api.testing.Trapping;

/**
 * A virtual function with one pair of queues and its driver, taking turns at random, and an exact record of the pages that the
 * function writes. The driver behaves as Linux does: one message at a time, descriptors cleared before they are posted.
 */
final class ModelFunction implements AutoCloseable {
    private static final int PAGE = WriteRecord.PAGE;
    private static final int MEMORY = 2 << 20;
    private static final int RX_RING = 0x10000;
    private static final int POOL = 0x100000;
    private static final int LENGTH = ModelQueues.LENGTH;
    private static final String PARENT = "0000:03:00.0";

    private final Random random;
    private final boolean interrupts;
    private final byte[] bytes = new byte[MEMORY];
    private final ByteBuffer memory = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    private final InterleavedState state = new InterleavedState(() -> this.meanwhile.run());
    private final FakeDevice device = FunctionMigrationTest.function(state).withTrapping(Trapping.ALWAYS);
    private final MediatedDevice mediated;
    private final Migratable migration;

    private final WriteRecord written = new WriteRecord(MEMORY);
    private final ModelRegisters registers;
    private final ModelAdminQueues admin;

    // The driver.
    private final Deque<Integer> pool = new ArrayDeque<>();
    private final int[] buffers = new int[LENGTH];
    private int generation;
    private int clean;
    private int prepared;
    private int tail;
    private boolean up;
    private int awaited;

    // The device.
    private final ModelQueues queues;
    private boolean latched;
    private boolean latchedAdmin;

    /** What is done while the tracker looks. */
    private Runnable meanwhile = this::interleave;

    /** Whether that is being done. */
    private boolean interleaved;

    ModelFunction(long seed, Settings settings) {
        random = new Random(seed);
        interrupts = settings.tracking() == Settings.Tracking.INTERRUPTS;
        device.memory().map(0, bytes);
        for (int buffer = POOL; buffer < POOL + 120 * PAGE; buffer += PAGE) {
            pool.add(buffer + random.nextInt(2) * ModelQueues.BUFFER);
        }
        queues = new ModelQueues(random, memory, state, written);
        mediated = device.mediatedBy(new VirtualFunctionOps(PciAddress.parse(PARENT), settings));
        migration = mediated.migration("a test");
        registers = new ModelRegisters(device.region(PciRegion.BAR0), mediated, interrupts);
        admin = new ModelAdminQueues(memory, registers, written);
        begin();
    }

    /** One that does what it is told. */
    static ModelFunction scripted(Settings.Tracking tracking) {
        ModelFunction function =
                new ModelFunction(0, new Settings(tracking, Optional.empty(), Settings.DEFAULT.rules()));
        function.meanwhile = () -> {};
        return function;
    }

    /** Does something before each answer of the host from now on. */
    void meanwhile(Runnable what) {
        meanwhile = what;
    }

    /** Runs, tracks, and stops, and fails if a page is missed. */
    void run(int before, int during) {
        turns(before);
        start();
        for (int round = 0; round < 12; round++) {
            turns(random.nextInt(during));
            report();
        }
        turns(random.nextInt(during));
        stop();
    }

    void start() {
        migration.startLogging(PAGE, List.of());
        written.remove(one -> true);
    }

    /** Fails if a page is missed that could be seen. */
    void report() {
        written.report(migration);
        written.assertReported(false);
    }

    /** Fails if a page is missed. */
    void stop() {
        migration.request(MigrationState.STOP_COPY);
        written.report(migration);
        written.assertReported(true);
    }

    /** The client takes all memory away. */
    void unmap() {
        device.memory().unmap(0);
    }

    /** And gives it again. */
    void map() {
        device.memory().map(0, bytes);
    }

    /** The queues as the device has them. */
    ModelQueues queues() {
        return queues;
    }

    long counter(String name) {
        return mediated.counters().getOrDefault(name, -1L);
    }

    List<String> logged() {
        return device.logged();
    }

    @Override
    public void close() {
        mediated.close();
    }

    private void turns(int count) {
        for (int turn = 0; turn < count; turn++) {
            switch (random.nextInt(16)) {
                case 0, 1, 2 -> receive(random.nextInt(random.nextInt(4) == 0 ? LENGTH : 6));
                case 3 -> queues.hold();
                case 4, 5 -> clean();
                case 6, 7 -> prepare(random.nextInt(LENGTH));
                case 8, 9 -> commit();
                case 10 -> queues.transmit();
                case 11, 12 -> take();
                case 13 -> drain();
                case 14 -> arm();
                default -> send();
            }
            if (random.nextInt(200) == 0) {
                reset();
            }
        }
    }

    /** While a tracker looks. What it has trapped waits for it. */
    private void interleave() {
        if (!interleaved && random.nextInt(8) == 0) {
            interleaved = true;
            receive(random.nextInt(LENGTH));
            clean();
            prepare(random.nextInt(LENGTH));
            if (interrupts) {
                commit();
            }
            receive(random.nextInt(6));
            interleaved = false;
        }
    }

    // What the driver does.

    private void begin() {
        admin.begin(generation++ % 2);
    }

    void clean() {
        while (up && clean != tail && (memory.get(base() + clean * 32 + 8) & 1) != 0 && queues.isEnabled()) {
            pool.add(buffers[clean]);
            clean = next(clean);
        }
    }

    void prepare(int count) {
        for (int done = 0; up && done < count && next(prepared) != clean; done++) {
            post(random.nextBoolean() ? pool.removeFirst() : pool.removeLast());
        }
    }

    private void post(int address) {
        buffers[prepared] = address;
        memory.putLong(base() + prepared * 32, address);
        clear(prepared);
        prepared = next(prepared);
    }

    /** Nobody can see any more that the slot was given back. */
    void clear(int slot) {
        memory.putLong(base() + slot * 32 + 8, 0);
        if (!interrupts) {
            written.of(slot).forEach(one -> one.visible = false);
        }
    }

    /** Posts buffers of its choice. */
    void post(List<Integer> addresses) {
        addresses.forEach(this::post);
        commit();
    }

    /** The buffers in the slots from the first that is posted. */
    List<Integer> posted() {
        return IntStream.iterate(clean, slot -> slot != prepared, ModelFunction::next)
                .mapToObj(slot -> buffers[slot])
                .toList();
    }

    List<Integer> pool() {
        return List.copyOf(pool);
    }

    /** Writes the tail that the next queue will have. */
    void announceTail(int newTail) {
        registers.set(VfRegister.QRX_TAIL1, newTail);
    }

    void commit() {
        if (up && tail != prepared) {
            clear(prepared);
            for (int slot = tail; slot != next(prepared); slot = next(slot)) {
                written.of(slot).forEach(one -> one.visible = queues.isEnabled());
            }
            tail = prepared;
            registers.set(VfRegister.QRX_TAIL1, tail);
            queues.post(tail);
        }
    }

    private void arm() {
        registers.store(VfRegister.VFINT_DYN_CTLN1, 1);
        registers.store(VfRegister.VFINT_DYN_CTL01, 1);
        fire();
    }

    /** Reads messages and gives their buffers back. */
    void drain() {
        if (admin.hasEnded()) {
            down();
            begin();
        } else {
            admin.drain();
        }
    }

    private void send() {
        if (!admin.isFree()) {
            return;
        }
        if (awaited != 0) {
            send(awaited);
        } else if (random.nextInt(4) == 0) {
            admin.command();
        } else if (!up) {
            open();
        } else if (random.nextInt(3) == 0) {
            send(random.nextInt(4) == 0 ? 2 : 9);
        }
    }

    /** Has the queues configured; enabling them is next. */
    void open() {
        generation++;
        up = true;
        clean = 0;
        prepared = 0;
        tail = 0;
        queues.post(0);
        prepare(LENGTH - 1);
        commit();
        send(6);
    }

    /** Brings the queues up, with all slots posted but one. */
    void bringUp() {
        open();
        take();
        send(8);
        take();
    }

    void send(int opcode) {
        awaited = opcode == 6 ? 8 : 0;
        admin.send(opcode);
    }

    private void down() {
        awaited = 0;
        for (int slot = clean; up && slot != prepared; slot = next(slot)) {
            pool.add(buffers[slot]);
        }
        up = false;
    }

    // What the device does.

    void receive(int count) {
        if (queues.receive(count)) {
            latched = true;
            fire();
        }
    }

    /** Takes one message. */
    void take() {
        int opcode = admin.take();
        if (opcode == ModelAdminQueues.NOTHING || opcode == ModelAdminQueues.COMMAND) {
            return;
        }
        switch (opcode) {
            case 6 -> queues.configure(base());
            case 8 -> queues.enable(registers.get(VfRegister.QRX_TAIL1));
            case 9 -> queues.disable();
            default -> {
                queues.reset();
                registers.clear();
            }
        }
        if (opcode == 2 || opcode == 9) {
            down();
        }
        if (opcode != 2 && admin.answer()) {
            latchedAdmin = true;
            fire();
        }
    }

    /** The host resets the function, or the guest does by its configuration space. The driver will see. */
    void reset() {
        if (random.nextBoolean()) {
            mediated.writeShort(PciRegion.CONFIG, 0xa0 + PciConfig.EXP_DEVCTL, PciConfig.EXP_DEVCTL_BCR_FLR);
        }
        queues.reset();
        registers.clear();
    }

    private void fire() {
        if (interleaved) {
            return;
        }
        if (latched && registers.get(VfRegister.VFINT_DYN_CTLN1) != 0) {
            latched = false;
            registers.store(VfRegister.VFINT_DYN_CTLN1, 0);
            mediated.interrupt(PciInterrupt.MSIX, 1);
        }
        if (latchedAdmin && registers.get(VfRegister.VFINT_DYN_CTL01) != 0) {
            latchedAdmin = false;
            registers.store(VfRegister.VFINT_DYN_CTL01, 0);
            mediated.interrupt(PciInterrupt.MSIX, 0);
        }
    }

    private int base() {
        return RX_RING + generation % 2 * PAGE;
    }

    private static int next(int slot) {
        return (slot + 1) % LENGTH;
    }
}

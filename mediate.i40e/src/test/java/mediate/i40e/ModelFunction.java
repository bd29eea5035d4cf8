package mediate.i40e;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;
import vfio.pci.api.testing.FakeDevice;
import vfio.pci.api.testing.FakeHardwareState;
import vfio.pci.api.testing.FakeRegion;
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
    private static final int TX_RING = 0x14000;
    private static final int HEAD = 0x18000;
    private static final int ARQ = 0x1a000;
    private static final int ATQ = 0x1c000;
    private static final int ARQ_BUFFERS = 0x20000;
    private static final int ATQ_BUFFERS = 0x40000;
    private static final int POOL = 0x100000;
    private static final int BUFFER = 2048;
    private static final int LENGTH = 32;
    private static final int ADMIN_LENGTH = 8;
    private static final int ENABLE = 1 << 31;
    private static final String HELD = "a buffer whose descriptor comes later";
    private static final String PARENT = "0000:03:00.0";

    private final Random random;
    private final boolean interrupts;
    private final byte[] bytes = new byte[MEMORY];
    private final ByteBuffer memory = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    private final FakeHardwareState state = new FakeHardwareState();
    private final FakeDevice device = FunctionMigrationTest.function(state).withTrapping(Trapping.ALWAYS);
    private final FakeRegion bar0 = device.region(PciRegion.BAR0);
    private final MediatedDevice mediated;
    private final Migratable migration;

    private final WriteRecord written = new WriteRecord(MEMORY);

    // The driver.
    private final Deque<Integer> pool = new ArrayDeque<>();
    private final int[] buffers = new int[LENGTH];
    private int generation;
    private int clean;
    private int prepared;
    private int tail;
    private boolean up;
    private int awaited;
    private int transmitTail;

    // The device.
    private boolean configured;
    private boolean enabled;
    private int base;
    private int head;
    private int posted;
    private int transmitHead;
    private boolean latched;
    private boolean latchedAdmin;

    ModelFunction(long seed, Settings settings) {
        random = new Random(seed);
        interrupts = settings.tracking() == Settings.Tracking.INTERRUPTS;
        device.memory().map(0, bytes);
        for (int buffer = POOL; buffer < POOL + 120 * PAGE; buffer += PAGE) {
            pool.add(buffer + random.nextInt(2) * BUFFER);
        }
        publish();
        mediated = device.mediatedBy(new VirtualFunctionOps(PciAddress.parse(PARENT), settings));
        migration = mediated.migration("a test");
        begin();
    }

    /** Runs, tracks, and stops, and fails if a page is missed. */
    void run(int before, int during) {
        turns(before);
        migration.startLogging(PAGE, List.of());
        written.remove(one -> true);
        for (int round = 0; round < 12; round++) {
            turns(random.nextInt(during));
            written.report(migration);
            written.assertReported(false);
        }
        turns(random.nextInt(during));
        migration.request(MigrationState.STOP_COPY);
        written.report(migration);
        written.assertReported(true);
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
                case 3 -> hold();
                case 4, 5 -> clean();
                case 6, 7 -> prepare(random.nextInt(LENGTH));
                case 8, 9 -> commit();
                case 10 -> transmit();
                case 11, 12 -> take();
                case 13 -> drain();
                case 14 -> arm();
                default -> send();
            }
        }
    }

    // What the driver does.

    private void begin() {
        int arq = ARQ + generation % 2 * PAGE;
        int messages = ARQ_BUFFERS + generation % 2 * 0x10000;
        generation++;
        set(VfRegister.VF_ATQH1, 0);
        set(VfRegister.VF_ATQT1, 0);
        set(VfRegister.VF_ATQLEN1, ADMIN_LENGTH | ENABLE);
        set(VfRegister.VF_ATQBAL1, ATQ + generation % 2 * PAGE);
        set(VfRegister.VF_ARQH1, 0);
        set(VfRegister.VF_ARQT1, 0);
        set(VfRegister.VF_ARQLEN1, ADMIN_LENGTH | ENABLE);
        set(VfRegister.VF_ARQBAL1, arq);
        for (int slot = 0; slot < ADMIN_LENGTH; slot++) {
            ready(arq, slot, messages + slot * PAGE);
        }
        set(VfRegister.VF_ARQT1, ADMIN_LENGTH - 1);
    }

    private void ready(int ring, int slot, int buffer) {
        memory.putInt(ring + slot * 32, 0x1200).putInt(ring + slot * 32 + 4, PAGE);
        memory.putInt(ring + slot * 32 + 28, buffer);
    }

    private void clean() {
        while (up && clean != tail && (memory.get(base() + clean * 32 + 8) & 1) != 0 && enabled) {
            pool.add(buffers[clean]);
            clean = next(clean);
        }
    }

    private void prepare(int count) {
        for (int done = 0; up && done < count && next(prepared) != clean; done++) {
            post(prepared);
            prepared = next(prepared);
        }
    }

    private void post(int slot) {
        buffers[slot] = random.nextBoolean() ? pool.removeFirst() : pool.removeLast();
        memory.putLong(base() + slot * 32, buffers[slot]);
        clear(slot);
    }

    /** Nobody can see any more that the slot was given back. */
    private void clear(int slot) {
        memory.putLong(base() + slot * 32 + 8, 0);
        if (!interrupts) {
            written.of(slot).forEach(one -> one.visible = false);
        }
    }

    private void commit() {
        if (up && tail != prepared) {
            clear(prepared);
            for (int slot = tail; slot != next(prepared); slot = next(slot)) {
                written.of(slot).forEach(one -> one.visible = enabled);
            }
            tail = prepared;
            set(VfRegister.QRX_TAIL1, tail);
            posted = tail;
        }
    }

    private void arm() {
        bar0.putInt(VfRegister.VFINT_DYN_CTLN1.at(0), 1);
        bar0.putInt(VfRegister.VFINT_DYN_CTL01.at(0), 1);
        fire();
    }

    /** Reads messages and gives their buffers back. */
    private void drain() {
        int length = get(VfRegister.VF_ARQLEN1);
        if ((length & ENABLE) == 0) {
            begin();
            return;
        }
        int at = (get(VfRegister.VF_ARQT1) + 1) % ADMIN_LENGTH;
        while (at != get(VfRegister.VF_ARQH1)) {
            int ring = get(VfRegister.VF_ARQBAL1);
            ready(ring, at, memory.getInt(ring + at * 32 + 28));
            set(VfRegister.VF_ARQT1, at);
            at = (at + 1) % ADMIN_LENGTH;
        }
    }

    private void send() {
        if ((get(VfRegister.VF_ATQLEN1) & ENABLE) == 0 || get(VfRegister.VF_ATQH1) != get(VfRegister.VF_ATQT1)) {
            return;
        }
        if (awaited != 0) {
            send(awaited);
        } else if (random.nextInt(4) == 0) {
            command();
        } else if (!up) {
            generation++;
            up = true;
            clean = 0;
            prepared = 0;
            tail = 0;
            posted = 0;
            prepare(LENGTH - 1);
            commit();
            awaited = 8;
            send(6);
        } else if (random.nextInt(3) == 0) {
            send(random.nextInt(4) == 0 ? 2 : 9);
        }
    }

    private void send(int opcode) {
        awaited = opcode == 6 ? 8 : 0;
        int slot = get(VfRegister.VF_ATQT1);
        int content = ATQ_BUFFERS + slot * PAGE;
        memory.putInt(content + 4, 1).putInt(content + 8, 1);
        send(slot, 0x1400, 0x0801, opcode, content);
    }

    /** One whose answer is written where it was. */
    private void command() {
        int slot = get(VfRegister.VF_ATQT1);
        send(slot, 0x1000, 0x0b04, 0, ATQ_BUFFERS + (ADMIN_LENGTH + slot) * PAGE);
    }

    private void send(int slot, int flags, int command, int opcode, int content) {
        int at = get(VfRegister.VF_ATQBAL1) + slot * 32;
        memory.putInt(at, flags | command << 16).putInt(at + 4, 12).putInt(at + 8, opcode);
        memory.putInt(at + 28, content);
        set(VfRegister.VF_ATQT1, (slot + 1) % ADMIN_LENGTH);
    }

    private void down() {
        for (int slot = clean; slot != prepared; slot = next(slot)) {
            pool.add(buffers[slot]);
        }
        up = false;
    }

    // What the device does.

    /** Writes a buffer, but not yet its descriptor. */
    private void hold() {
        if (enabled && head != posted) {
            written.add(memory.getInt(base + head * 32), HELD, head, false);
        }
    }

    private void receive(int count) {
        int done = 0;
        while (enabled && done < count && head != posted) {
            int at = base + head * 32;
            int slot = head;
            written.remove(one -> one.slot == slot && one.what.equals(HELD));
            written.add((int) memory.getLong(at), "a buffer", slot, true);
            memory.putLong(at, random.nextLong()).putLong(at + 8, 1);
            written.add(at, "a receive ring", -1, true);
            head = next(head);
            done++;
        }
        if (done > 0) {
            latched = true;
            publish();
            fire();
        }
    }

    private void transmit() {
        if (enabled) {
            transmitTail = next(transmitTail);
            written.add(transmitRing() + transmitHead * 16, "a transmit ring", -1, true);
            written.add(HEAD + base / 2 % PAGE, "a head", -1, true);
            transmitHead = transmitTail;
        }
    }

    /** Takes one message. */
    private void take() {
        int slot = get(VfRegister.VF_ATQH1);
        if ((get(VfRegister.VF_ATQLEN1) & ENABLE) == 0 || slot == get(VfRegister.VF_ATQT1)) {
            return;
        }
        int at = get(VfRegister.VF_ATQBAL1) + slot * 32;
        int opcode = memory.getInt(at + 8);
        written.add(at, "the admin transmit ring", -1, true);
        bar0.putInt(VfRegister.VF_ATQH1.at(0), (slot + 1) % ADMIN_LENGTH);
        if (opcode == 0) {
            written.add(memory.getInt(at + 28), "an answer", -1, true);
            return;
        }
        switch (opcode) {
            case 6 -> {
                configured = true;
                base = base();
            }
            case 8 -> {
                enabled = true;
                head = 0;
                posted = get(VfRegister.QRX_TAIL1);
            }
            case 9 -> enabled = false;
            default -> {
                enabled = false;
                configured = false;
                for (VfRegister register : VfRegister.values()) {
                    for (int index = 0; index < register.count(); index++) {
                        bar0.putInt(register.at(index), 0);
                    }
                }
            }
        }
        publish();
        if (opcode == 2 || opcode == 9) {
            written.all().stream().filter(one -> one.slot >= 0).forEach(one -> {
                one.visible = false;
                one.slot = -1;
            });
            down();
        }
        if (opcode != 2) {
            answer();
        }
    }

    private void answer() {
        int slot = get(VfRegister.VF_ARQH1);
        if ((get(VfRegister.VF_ARQLEN1) & ENABLE) == 0 || slot == get(VfRegister.VF_ARQT1)) {
            return;
        }
        int at = get(VfRegister.VF_ARQBAL1) + slot * 32;
        written.add(memory.getInt(at + 28), "a message", -1, true);
        written.add(at, "the admin receive ring", -1, true);
        memory.putInt(at + 4, 16);
        bar0.putInt(VfRegister.VF_ARQH1.at(0), (slot + 1) % ADMIN_LENGTH);
        latchedAdmin = true;
        fire();
    }

    private void fire() {
        if (latched && bar0.getInt(VfRegister.VFINT_DYN_CTLN1.at(0)) != 0) {
            latched = false;
            bar0.putInt(VfRegister.VFINT_DYN_CTLN1.at(0), 0);
            mediated.interrupt(PciInterrupt.MSIX, 1);
        }
        if (latchedAdmin && bar0.getInt(VfRegister.VFINT_DYN_CTL01.at(0)) != 0) {
            latchedAdmin = false;
            bar0.putInt(VfRegister.VFINT_DYN_CTL01.at(0), 0);
            mediated.interrupt(PciInterrupt.MSIX, 0);
        }
    }

    private void publish() {
        ByteBuffer part =
                ByteBuffer.allocate(4 + 64).order(ByteOrder.LITTLE_ENDIAN).putInt(1);
        if (configured) {
            part.put(4, (byte) (enabled ? 7 : 5)).putShort(6, (short) LENGTH).putLong(12, transmitRing());
            part.putLong(20, HEAD + base / 2 % PAGE);
            part.put(36, (byte) (enabled ? 3 : 1)).put(37, (byte) 1).putShort(38, (short) LENGTH);
            part.putShort(40, (short) head).putLong(44, base).putInt(52, BUFFER);
        }
        state.with(QueuePair.PART, part.array());
    }

    private int base() {
        return RX_RING + generation % 2 * PAGE;
    }

    private int transmitRing() {
        return TX_RING + base % (2 * PAGE) / PAGE * PAGE;
    }

    private void set(VfRegister register, int value) {
        mediated.writeInt(PciRegion.BAR0, register.at(0), value);
    }

    private int get(VfRegister register) {
        return bar0.getInt(register.at(0));
    }

    private static int next(int slot) {
        return (slot + 1) % LENGTH;
    }
}

package mediate.i40e;

import java.nio.ByteBuffer;

/** The admin queues of a {@link ModelFunction}, as its driver and the device use them. */
final class ModelAdminQueues {
    /** What is taken that is no message. */
    static final int COMMAND = 0;

    /** There is nothing to be taken. */
    static final int NOTHING = -1;

    private static final int PAGE = WriteRecord.PAGE;
    private static final int ARQ = 0x1a000;
    private static final int ATQ = 0x1c000;
    private static final int ARQ_BUFFERS = 0x20000;
    private static final int ATQ_BUFFERS = 0x40000;
    private static final int LENGTH = 8;
    private static final int ENABLE = 1 << 31;

    private final ByteBuffer memory;
    private final ModelRegisters registers;
    private final WriteRecord written;

    ModelAdminQueues(ByteBuffer memory, ModelRegisters registers, WriteRecord written) {
        this.memory = memory;
        this.registers = registers;
        this.written = written;
    }

    // What the driver does.

    /** Sets them up, in one of two places. */
    void begin(int place) {
        int arq = ARQ + place * PAGE;
        int messages = ARQ_BUFFERS + place * 0x10000;
        registers.set(VfRegister.VF_ATQH1, 0);
        registers.set(VfRegister.VF_ATQT1, 0);
        registers.set(VfRegister.VF_ATQLEN1, LENGTH | ENABLE);
        registers.set(VfRegister.VF_ATQBAL1, ATQ + (1 - place) * PAGE);
        registers.set(VfRegister.VF_ARQH1, 0);
        registers.set(VfRegister.VF_ARQT1, 0);
        registers.set(VfRegister.VF_ARQLEN1, LENGTH | ENABLE);
        registers.set(VfRegister.VF_ARQBAL1, arq);
        for (int slot = 0; slot < LENGTH; slot++) {
            ready(arq, slot, messages + slot * PAGE);
        }
        registers.set(VfRegister.VF_ARQT1, LENGTH - 1);
    }

    /** Whether a reset has ended them. */
    boolean hasEnded() {
        return !isEnabled(VfRegister.VF_ARQLEN1);
    }

    /** Reads messages and gives their buffers back. */
    void drain() {
        int at = (registers.get(VfRegister.VF_ARQT1) + 1) % LENGTH;
        while (at != registers.get(VfRegister.VF_ARQH1)) {
            int ring = registers.get(VfRegister.VF_ARQBAL1);
            ready(ring, at, memory.getInt(ring + at * 32 + 28));
            registers.set(VfRegister.VF_ARQT1, at);
            at = (at + 1) % LENGTH;
        }
    }

    /** Whether the message before has been taken. */
    boolean isFree() {
        return isEnabled(VfRegister.VF_ATQLEN1)
                && registers.get(VfRegister.VF_ATQH1) == registers.get(VfRegister.VF_ATQT1);
    }

    void send(int opcode) {
        int content = ATQ_BUFFERS + registers.get(VfRegister.VF_ATQT1) * PAGE;
        memory.putInt(content + 4, 1).putInt(content + 8, 1);
        send(0x1400, 0x0801, opcode, content);
    }

    /** Sends a command whose answer is written where it was. */
    void command() {
        send(0x1000, 0x0b04, COMMAND, ATQ_BUFFERS + (LENGTH + registers.get(VfRegister.VF_ATQT1)) * PAGE);
    }

    private void send(int flags, int command, int opcode, int content) {
        int slot = registers.get(VfRegister.VF_ATQT1);
        int at = registers.get(VfRegister.VF_ATQBAL1) + slot * 32;
        memory.putInt(at, flags | command << 16).putInt(at + 4, 12).putInt(at + 8, opcode);
        memory.putInt(at + 28, content);
        registers.set(VfRegister.VF_ATQT1, (slot + 1) % LENGTH);
    }

    private void ready(int ring, int slot, int buffer) {
        memory.putInt(ring + slot * 32, 0x1200).putInt(ring + slot * 32 + 4, PAGE);
        memory.putInt(ring + slot * 32 + 28, buffer);
    }

    // What the device does.

    /** Takes one message; returns its opcode. */
    int take() {
        if (!isEnabled(VfRegister.VF_ATQLEN1) || isFree()) {
            return NOTHING;
        }
        int slot = registers.get(VfRegister.VF_ATQH1);
        int at = registers.get(VfRegister.VF_ATQBAL1) + slot * 32;
        written.add(at, "the admin transmit ring", -1, true);
        registers.store(VfRegister.VF_ATQH1, (slot + 1) % LENGTH);
        int opcode = memory.getInt(at + 8);
        if (opcode == COMMAND) {
            written.add(memory.getInt(at + 28), "an answer", -1, true);
        }
        return opcode;
    }

    /** Sends a message; returns false if there is no room for it. */
    boolean answer() {
        int slot = registers.get(VfRegister.VF_ARQH1);
        if (hasEnded() || slot == registers.get(VfRegister.VF_ARQT1)) {
            return false;
        }
        int at = registers.get(VfRegister.VF_ARQBAL1) + slot * 32;
        written.add(memory.getInt(at + 28), "a message", -1, true);
        written.add(at, "the admin receive ring", -1, true);
        memory.putInt(at + 4, 16);
        registers.store(VfRegister.VF_ARQH1, (slot + 1) % LENGTH);
        return true;
    }

    private boolean isEnabled(VfRegister length) {
        return (registers.get(length) & ENABLE) != 0;
    }
}

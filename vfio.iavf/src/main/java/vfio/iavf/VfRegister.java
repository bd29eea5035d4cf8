package vfio.iavf;

/** Byte offsets in BAR0 and bits of the registers there, named as in Intel's documentation. All are 32 bits wide. */
public final class VfRegister {
    /** TX tails, one per queue. */
    public static final int QTX_TAIL1 = 0x0000;
    /** RX tails, one per queue. */
    public static final int QRX_TAIL1 = 0x2000;
    /** Control of vectors 1 to 16. */
    public static final int VFINT_DYN_CTLN1 = 0x3800;
    /** Causes of vector 0; cleared by a read. */
    public static final int VFINT_ICR01 = 0x4800;
    /** Which causes raise vector 0. */
    public static final int VFINT_ICR0_ENA1 = 0x5000;
    /** Control of vector 0. */
    public static final int VFINT_DYN_CTL01 = 0x5c00;

    public static final int VF_ARQBAH1 = 0x6000;
    public static final int VF_ATQH1 = 0x6400;
    public static final int VF_ATQLEN1 = 0x6800;
    public static final int VF_ARQBAL1 = 0x6c00;
    public static final int VF_ARQT1 = 0x7000;
    public static final int VF_ARQH1 = 0x7400;
    public static final int VF_ATQBAH1 = 0x7800;
    public static final int VF_ATQBAL1 = 0x7c00;
    public static final int VF_ARQLEN1 = 0x8000;
    public static final int VF_ATQT1 = 0x8400;

    /** State of a reset, in its low two bits. */
    public static final int VFGEN_RSTAT = 0x8800;

    /** In VF_ATQLEN1 and VF_ARQLEN1: the function has done what it must not do. */
    public static final int LEN_VFE = 1 << 28;
    /** In VF_ATQLEN1 and VF_ARQLEN1: that, an overflow, a critical error. */
    public static final int LEN_ERRORS = 0x7000_0000;
    /** In VF_ATQLEN1 and VF_ARQLEN1: the queue is in use. */
    public static final int LEN_ENABLE = 0x8000_0000;
    /** Index bits of heads and tails of the admin queues. */
    public static final int INDEX_MASK = 0x3ff;

    public static final int RSTAT_MASK = 0x3;
    public static final int RSTAT_COMPLETED = 1;
    public static final int RSTAT_VFACTIVE = 2;

    /** In VFINT_DYN_CTLx. */
    public static final int INTENA = 1;
    /** In VFINT_DYN_CTLx: raise the vector now. */
    public static final int SWINT_TRIG = 1 << 2;
    /** In VFINT_DYN_CTLx: change no throttle interval. */
    public static final int ITR_NONE = 3 << 3;
    /** In VFINT_DYN_CTLx: descriptors are written back while the vector is disabled, too. */
    public static final int WB_ON_ITR = 1 << 30;

    /** In VFINT_ICR01: there is a cause. */
    public static final int ICR0_INTEVENT = 1;
    /** In VFINT_ICR01 and VFINT_ICR0_ENA1: a message on the receive queue. */
    public static final int ICR0_ADMINQ = 1 << 30;

    private static final int VECTOR_0_CONTROLS = 1;

    private VfRegister() {}

    /** The tail of a TX queue, 0 to 15. */
    public static int transmitTail(int queue) {
        return QTX_TAIL1 + Integer.BYTES * queue;
    }

    /** The tail of an RX queue, 0 to 15. */
    public static int receiveTail(int queue) {
        return QRX_TAIL1 + Integer.BYTES * queue;
    }

    /** The control register of an MSI-X vector, 0 to 16. */
    public static int control(int vector) {
        return vector == 0 ? VFINT_DYN_CTL01 : VFINT_DYN_CTLN1 + Integer.BYTES * (vector - VECTOR_0_CONTROLS);
    }
}

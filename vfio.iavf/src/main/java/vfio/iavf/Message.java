package vfio.iavf;

import java.nio.ByteBuffer;

/**
 * A message of the PF.
 *
 * @param opcode virtchnl opcode
 * @param status virtchnl status, 0 for success
 * @param payload little-endian, from position 0 to its limit
 */
public record Message(int opcode, int status, ByteBuffer payload) {}

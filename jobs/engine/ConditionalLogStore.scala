// Delta commits in an S3 bucket that more than one driver writes to (docs/decisions/0027).
//
// Delta's own store for S3 looks whether a version is there and then writes it, under a lock of its JVM: of two
// drivers that commit at once, one loses what it committed. Here S3 itself decides (If-None-Match), as it does for
// delta-rs. Goes when a release of Delta has such a store. `reelmill setup` compiles it.

package reelmill

import java.io.{ByteArrayOutputStream, IOException}
import java.lang.{Boolean => JBoolean}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.FileAlreadyExistsException
import java.util.{Arrays, Iterator => JIterator}

import io.delta.storage.HadoopFileSystemLogStore
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileSystem, Path}

class ConditionalLogStore(initial: Configuration) extends HadoopFileSystemLogStore(initial) {

  override def write(path: Path, actions: JIterator[String], overwrite: JBoolean, conf: Configuration): Unit = {
    val content = new ByteArrayOutputStream()
    while (actions.hasNext) content.write((actions.next() + "\n").getBytes(UTF_8))
    val files = path.getFileSystem(conf)
    if (overwrite) put(files, path, content.toByteArray, conditional = false)
    else
      try put(files, path, content.toByteArray, conditional = true)
      catch {
        // An answer that was lost makes the client ask again, and S3 then refuses what is there by ourselves.
        case error: IOException if files.exists(path) =>
          if (!Arrays.equals(contentOf(files, path), content.toByteArray)) {
            val taken = new FileAlreadyExistsException(path.toString)
            taken.initCause(error)
            throw taken
          }
      }
  }

  // An object appears with its last byte.
  override def isPartialWriteVisible(path: Path, conf: Configuration): JBoolean = false

  private def put(files: FileSystem, path: Path, content: Array[Byte], conditional: Boolean): Unit = {
    val builder = files.createFile(path).overwrite(true).recursive()
    // `must`: a file system that cannot do it refuses, instead of leaving the condition out.
    if (conditional) builder.must("fs.option.create.conditional.overwrite", true)
    val stream = builder.build()
    stream.write(content)
    stream.close()
  }

  private def contentOf(files: FileSystem, path: Path): Array[Byte] = {
    val stream = files.open(path)
    try stream.readAllBytes()
    finally stream.close()
  }
}

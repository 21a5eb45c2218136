// Leaves: which versions of the C libraries this process runs on.
import HTTP2
import ONNX
import TLS

enum Libraries {
    static var testedOnnxRuntime: String { ONNX.Runtime.testedVersion }
    static var nghttp2: String { HTTP2.Session.libraryVersion }
    static var openssl: String { TLSConnection.libraryVersion }
}

// A verifier of what evlog seal and evlog prove print that is not ours: golang.org/x/mod/sumdb/note, transparency-dev/formats and
// transparency-dev/merkle.
//
// With several keys in the file, one a line, the checkpoint must be signed by all.
//
// usage: verify PUBKEY-FILE checkpoint FILE | inclusion FILE | consistency OLD-CHECKPOINT FILE
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"strings"

	flog "github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	tlogproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	check(err)
	return data
}

// The same key as a cosigner's: its signatures with a time.
func cosigner(vkey string) string {
	parts := strings.SplitN(vkey, "+", 3)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	check(err)
	key[0] = 4
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	return fmt.Sprintf("%s+%08x+%s", parts[0], binary.BigEndian.Uint32(sum[:4]), base64.StdEncoding.EncodeToString(key))
}

func checkpoint(vkeys []string, data []byte) *flog.Checkpoint {
	var verifiers []note.Verifier
	for _, vkey := range vkeys {
		signer, err := note.NewVerifier(vkey)
		check(err)
		timed, err := fnote.NewVerifierForCosignatureV1(cosigner(vkey))
		check(err)
		verifiers = append(verifiers, signer, timed)
	}
	point, _, opened, err := flog.ParseCheckpoint(data, verifiers[0].Name(), verifiers[0], verifiers[1:]...)
	check(err)
	if len(opened.Sigs) != len(verifiers) || len(opened.UnverifiedSigs) != 0 {
		log.Fatalf("%d signatures fit, %d are unknown", len(opened.Sigs), len(opened.UnverifiedSigs))
	}
	return point
}

func main() {
	vkeys := strings.Fields(string(read(os.Args[1])))
	switch os.Args[2] {
	case "checkpoint":
		point := checkpoint(vkeys, read(os.Args[3]))
		fmt.Println("good", point.Origin, point.Size)
	case "inclusion":
		var p tlogproof.TLogProof
		check(p.Unmarshal(read(os.Args[3])))
		point := checkpoint(vkeys, p.Checkpoint)
		hashes := make([][]byte, len(p.Hashes))
		for i := range p.Hashes {
			hashes[i] = p.Hashes[i][:]
		}
		leaf := rfc6962.DefaultHasher.HashLeaf(p.ExtraData)
		check(proof.VerifyInclusion(rfc6962.DefaultHasher, p.Index, point.Size, leaf, hashes, point.Hash))
		fmt.Println("good", binary.BigEndian.Uint64(p.ExtraData[1:9]), "of", point.Size)
	case "consistency":
		old := checkpoint(vkeys, read(os.Args[3]))
		head, rest, _ := bytes.Cut(read(os.Args[4]), []byte("\n\n"))
		point := checkpoint(vkeys, rest)
		lines := strings.Split(string(head), "\n")
		if lines[0] != fmt.Sprintf("old %d", old.Size) {
			log.Fatal("not of that checkpoint: ", lines[0])
		}
		var hashes [][]byte
		for _, line := range lines[1:] {
			hash, err := base64.StdEncoding.DecodeString(line)
			check(err)
			hashes = append(hashes, hash)
		}
		check(proof.VerifyConsistency(rfc6962.DefaultHasher, old.Size, point.Size, hashes, old.Hash, point.Hash))
		fmt.Println("good", old.Size, "to", point.Size)
	}
}

import { toHex } from 'viem'
import { nodeProvider } from './src/foundation/crypto/nodeProvider.ts'
import { signVote } from './src/protocol/wire/issuer/redemption.ts'
import { Evm } from './test/support/evm.ts'
const evm = await Evm.create()
const gov=Evm.address(100), user=Evm.address(1), op=Evm.address(2)
const G=new Uint8Array(32).fill(0x77)
const token=await evm.deploy('HostileToken'), bonds=await evm.deploy('BondsMock',[token,gov]), issuers=await evm.deploy('Issuers',[gov])
const ecash=await evm.deploy('EcashDeposits',[token,bonds,issuers,gov,75_000_000n,50n]), ann=await evm.deploy('Announcements',[bonds])
await evm.send(token,'transfer',[user,10n**14n]); await evm.send(token,'approve',[ecash,2n**255n],user); await evm.send(bonds,'set',[7,op,toHex(G)])
await evm.send(bonds,'setInterval',[24,evm.now,3600])
const seeds=[1,2,3].map(n=>new Uint8Array(32).fill(n))
const members=seeds.map((s,i)=>({owner:Evm.address(50+i),identityKey:toHex(nodeProvider.ed25519PublicKey(s)),url:'http://x'+i}))
const show=(n:string,o:{gasUsed:bigint})=>console.log(n,o.gasUsed)
show('plan3',await evm.send(issuers,'plan',[members,2,evm.now,600],gov))
for(const i of [0,1]) show('confirm',await evm.send(issuers,'confirm',[1n,toHex(1,{size:32})],Evm.address(50+i)))
for(let i=0;i<3;i++) show('deposit',await evm.send(ecash,'deposit',[toHex(1,{size:32})],user))
const v=(d:number)=>[1,2].map(index=>{const s=signVote(nodeProvider,seeds[index-1]!,{epochId:1,index,gateway:G,digest:new Uint8Array(32).fill(d),count:10});return{epochId:1n,index,signatureR:toHex(s.subarray(0,32)),signatureS:toHex(s.subarray(32))}})
for (const d of [1,2]) show('redeem2',await evm.send(ecash,'redeem',[toHex(G),toHex(new Uint8Array(32).fill(d)),10,v(d)],op))
show('withdrawEarnings',await evm.send(ecash,'withdrawEarnings',[toHex(G)],op))
show('release',await evm.send(ecash,'releaseSurplus'))
for(const n of [1,2]) show('announce 500B',await evm.send(ann,'announce',[7,n,1,toHex(new Uint8Array(500).fill(1)),toHex(new Uint8Array(64))],op))
for(const i of [1,2]) show('append24k',await evm.send(issuers,'append',[1n,toHex(new Uint8Array(24*1024).fill(1)),true],Evm.address(50)))
